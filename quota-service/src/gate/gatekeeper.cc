#include "gate/gatekeeper.h"

#include "identity/limits.h"

namespace quota::gate {

using engine::Outcome;
using engine::Reason;

Gatekeeper::Gatekeeper(engine::Engine& engine, const policy::LivePolicy& live,
                       identity::Directory& directory)
    : engine_(engine), live_(live), resolver_(directory) {}

void Gatekeeper::begin(Now now) {
  now_ = now;
  // The old policy stays alive until the resolver has let go of it.
  std::shared_ptr<const policy::Policy> old;
  if (const uint64_t newest = live_.generation(); newest != generation_ || policy_ == nullptr) {
    old = std::move(policy_);
    policy_ = live_.get();
    generation_ = newest;
  }
  resolver_.begin(*policy_, generation_, now);
}

const Case& Gatekeeper::assess(const identity::Check& check,
                               const std::shared_ptr<identity::Awaiter>& awaiter, size_t place) {
  Case& assessed = cases_[place];
  const identity::Subject& subject = resolver_.resolve(check, awaiter, place);
  assessed.subject = &subject;
  if (subject.kind == identity::Kind::kPending) [[unlikely]]
    return assessed;
  const policy::EndpointRule& endpoint = policy_->endpoints.match(check.method, check.path);
  assessed.endpoint = &endpoint;
  engine::Charge& charge = assessed.charge;
  charge.subject = subject.key;
  charge.anonymous = subject.kind != identity::Kind::kConsumer;
  charge.limits = policy_->attribute_overrides.empty()
                      ? subject.limits
                      : identity::limits_for(check, subject, *policy_);
  charge.burst_milli = policy_->burst_milli;
  charge.billing_day = subject.billing_day;
  charge.cost = endpoint.cost * int64_t{check.hits};
  charge.peek = check.peek;
  charge.mode = policy_->mode;
  charge.store_lost = policy_->store_lost;
  if (charge.limits.minute != subject.limits.minute && engine_.is_shared() &&
      charge.limits.minute >= 0) {
    // Leases are of one bucket under one limit, and the next request comes under the other again.
    std::string& own_bucket = own_buckets_[place];
    own_bucket.assign(1, engine::kOwnBucket);
    own_bucket.append(std::to_string(charge.limits.minute)).append(":");
    own_bucket.append(subject.key);
    charge.subject = own_bucket;
    charge.hash = engine::Engine::hash_of(own_bucket);
  } else if (charge.anonymous) {
    charge.hash = engine::Engine::hash_of(subject.key);
  } else {
    identity::Notes& notes = subject.notes;
    if (notes.key_hash == 0) notes.key_hash = engine::Engine::hash_of(subject.key);
    charge.hash = notes.key_hash;
  }
  return assessed;
}

bool Gatekeeper::decide(const Case& assessed, engine::Decision& decision,
                        engine::Engine::MakeWaiter make_waiter) {
  const bool is_known = decide_certain(assessed, decision, make_waiter);
  if (is_known) decision.degraded |= assessed.subject->is_uncertain;
  return is_known;
}

bool Gatekeeper::decide_certain(const Case& assessed, engine::Decision& decision,
                                engine::Engine::MakeWaiter make_waiter) {
  if (assessed.endpoint->cost == 0) {
    decision = engine::Decision{};
    decision.outcome = Outcome::kExempt;
    decision.reason = Reason::kExempt;
    return true;
  }
  const policy::Mode mode = policy_->mode;
  if (assessed.subject->kind == identity::Kind::kRejected && mode != policy::Mode::kOff) {
    decision = engine::Decision{};
    decision.reason = Reason::kUnknownCredentials;
    decision.shadow = mode == policy::Mode::kShadow;
    decision.outcome = decision.shadow ? Outcome::kAllowed : Outcome::kUnauthenticated;
    return true;
  }
  return engine_.decide(assessed.charge, now_, decision, make_waiter);
}

}  // namespace quota::gate
