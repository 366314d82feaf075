#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/time.h"
#include "engine/engine.h"
#include "identity/check.h"
#include "identity/directory.h"
#include "identity/resolver.h"
#include "policy/live_policy.h"

namespace quota::gate {

// A check with all its names resolved, before any limit is looked at.
struct Case {
  const identity::Subject* subject = nullptr;
  const policy::EndpointRule* endpoint = nullptr;
  engine::Charge charge;
};

// From the facts of a request to a decision: who asks, what it costs, what they may have, what they
// have left. One per thread. A Case is valid until the next begin(), or until its place or the
// first one is used again.
class Gatekeeper {
 public:
  Gatekeeper(engine::Engine& engine, const policy::LivePolicy& live,
             identity::Directory& directory);

  // Before each batch: takes up a new policy, if there is one, and the time.
  void begin(Now now);

  // With an awaiter, the subject may be kPending: there is nothing to be decided then before the
  // awaiter has been told that its look-up has ended.
  const Case& assess(const identity::Check& check,
                     const std::shared_ptr<identity::Awaiter>& awaiter = nullptr, size_t place = 0);
  // Hints before several cases are decided, as Engine::prefetch_index and prefetch_record.
  void prefetch_index(const Case& assessed) const { engine_.prefetch_index(assessed.charge); }
  void prefetch_record(const Case& assessed) const { engine_.prefetch_record(assessed.charge); }
  // As Engine::decide: false when a waiter was taken and will be told. It adds for itself that a
  // decision about an uncertain subject is degraded.
  bool decide(const Case& assessed, engine::Decision& decision,
              engine::Engine::MakeWaiter make_waiter);

  // The policy of this batch.
  const std::shared_ptr<const policy::Policy>& policy() const { return policy_; }
  Now now() const { return now_; }

 private:
  bool decide_certain(const Case& assessed, engine::Decision& decision,
                      engine::Engine::MakeWaiter make_waiter);

  engine::Engine& engine_;
  const policy::LivePolicy& live_;
  identity::Resolver resolver_;
  std::shared_ptr<const policy::Policy> policy_;
  uint64_t generation_ = 0;
  Now now_;
  std::array<Case, identity::kPlaces> cases_;
  std::array<std::string, identity::kPlaces> own_buckets_;  // reused
};

}  // namespace quota::gate
