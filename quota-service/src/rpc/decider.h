#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "gate/gatekeeper.h"
#include "rpc/books.h"
#include "rpc/codec.h"
#include "rpc/mailbox.h"
#include "rpc/parked_checks.h"
#include "rpc/wake_up.h"

namespace quota::rpc {

// Takes verdicts that had to wait. Called on any thread, once per waiting check, also
// after the call that asked has ended.
class LateVerdicts {
 public:
  virtual ~LateVerdicts() = default;
  virtual void deliver(const VerdictFacts& facts, const engine::Decision& decision) = 0;
};

struct DeciderOptions {
  int64_t lookup_timeout_us = 5'000;  // how long a check waits until it is known who asks
  size_t most_parked = 65'536;        // checks that wait so; beyond it nobody waits
  std::function<Now()> clock = {};    // for tests; empty: the clocks of the system
};

// From the bytes of checks to the bytes of verdicts. One per thread.
class Decider {
 public:
  Decider(engine::Engine& engine, const policy::LivePolicy& live, identity::Directory& directory,
          Books books, DeciderOptions options = {});
  ~Decider();
  Decider(const Decider&) = delete;
  Decider& operator=(const Decider&) = delete;

  // By what it is woken; until then no check waits for a look-up. It outlives the decider.
  void use(WakeUp& wake_up);
  // Decides the checks whose look-ups have ended, and those that have waited long enough.
  void wake();

  // Decides a whole DecideRequest and appends the DecideResponse. `waiting` is raised by the number
  // of verdicts that `late` will get. False when the message is malformed or holds too many checks;
  // what was decided before the fault stays decided.
  bool decide_batch(std::string_view request, std::string& response,
                    const std::shared_ptr<LateVerdicts>& late, uint64_t& waiting);

  enum class One { kDecided, kWaiting, kMalformed };
  One decide_one(std::string_view check_request, std::string& verdict,
                 const std::shared_ptr<LateVerdicts>& late);

  // For doors that speak another language: any number of checks between begin_batch() and
  // end_batch(). decide() is false when `late` will get the verdict; the views of `facts` last
  // until the next check.
  void begin_batch();
  bool decide(const identity::Check& check, VerdictFacts& facts, engine::Decision& decision,
              const std::shared_ptr<LateVerdicts>& late);
  void end_batch(uint64_t checks);
  Now now() const { return gatekeeper_.now(); }  // of the batch

 private:
  class LateCheck;
  void begin();
  // Who asks, and what for; it stands until `at` is assessed again. Null when the check is parked
  // because that is not known yet.
  const gate::Case* assess(const identity::Check& check, size_t at,
                           const std::shared_ptr<LateVerdicts>& late);
  bool decide(const identity::Check& check, const gate::Case& assessed, VerdictFacts& facts,
              engine::Decision& decision, const std::shared_ptr<LateVerdicts>& late);
  void park(uint64_t lookup, ParkedCheck parked);
  void resume(ParkedCheck parked, bool may_wait);

  const DeciderOptions options_;
  gate::Gatekeeper gatekeeper_;
  Books books_;
  // Checks of a batch are decided in groups: what the engine will read for each of them is fetched
  // into the cache together, so that memory is waited for once and not with every check.
  static constexpr size_t kGroup = identity::kPlaces;
  std::array<identity::Check, kGroup> checks_;  // reused
  std::array<const gate::Case*, kGroup> cases_{};
  uint64_t began_ns_ = 0;

  ParkedChecks parked_;
  WakeUp* wake_up_ = nullptr;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::shared_ptr<identity::Awaiter> awaiter_;       // the mailbox, once there is a wake-up
  const std::shared_ptr<identity::Awaiter> nobody_;  // null
};

}  // namespace quota::rpc
