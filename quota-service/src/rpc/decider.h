#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gate/gatekeeper.h"
#include "rpc/codec.h"
#include "telemetry/decision_counters.h"

namespace quota::rpc {

// Takes verdicts that had to wait for the store. Called on any thread, once per waiting check, also
// after the call that asked has ended.
class LateVerdicts {
 public:
  virtual ~LateVerdicts() = default;
  virtual void deliver(const VerdictFacts& facts, const engine::Decision& decision) = 0;
};

// From the bytes of checks to the bytes of verdicts. One per thread.
class Decider {
 public:
  Decider(engine::Engine& engine, const policy::LivePolicy& live,
          const identity::Directory& directory,
          std::shared_ptr<telemetry::DecisionCounters> counters);

  // Decides a whole DecideRequest and appends the DecideResponse. `waiting` is raised by the number
  // of verdicts that `late` will get. False when the message is malformed or holds too many checks;
  // what was decided before the fault stays decided.
  bool decide_batch(std::string_view request, std::string& response,
                    const std::shared_ptr<LateVerdicts>& late, uint64_t& waiting);

  enum class One { kDecided, kWaiting, kMalformed };
  One decide_one(std::string_view check_request, std::string& verdict,
                 const std::shared_ptr<LateVerdicts>& late);

 private:
  using Append = void (*)(std::string&, const VerdictFacts&, const engine::Decision&);
  void begin();
  bool decide(std::string& out, Append append, const std::shared_ptr<LateVerdicts>& late);
  void end(uint64_t checks);

  gate::Gatekeeper gatekeeper_;
  std::shared_ptr<telemetry::DecisionCounters> counters_;
  const policy::Policy* counted_policy_ = nullptr;
  identity::Check check_;  // reused for every check
  uint64_t began_ns_ = 0;
};

}  // namespace quota::rpc
