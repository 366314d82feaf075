#include "admin/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "admin/amounts.h"
#include "admin/facts.h"
#include "admin/peek.h"
#include "base/time.h"
#include "policy/decimal.h"

namespace quota::admin {
namespace {

using engine::Decision;
using engine::Outcome;
using engine::Reason;
using identity::Kind;

// A case that outlives the gatekeeper's next one.
struct Assessed {
  identity::Subject subject;
  policy::EndpointRule endpoint;
  engine::Charge charge;
  std::shared_ptr<const policy::Policy> policy;
};

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kConsumer:
      return "consumer";
    case Kind::kAnonymous:
      return "anonymous";
    case Kind::kRejected:
      return "rejected";
    case Kind::kPending:
      break;
  }
  return "unknown";
}

// Blocks until a look-up has ended.
class LookupEnd final : public identity::Awaiter {
 public:
  void answered(uint64_t) override {
    const std::lock_guard lock(mutex_);
    is_there_ = true;
    arrived_.notify_one();
  }
  void wait(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, patience, [&] { return is_there_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  bool is_there_ = false;
};

constexpr std::chrono::milliseconds kPatience(1000);
constexpr const char* kUncertain = " The store could not be asked, so this may not be all.";

std::string say_who(const identity::Subject& subject, const Facts& facts) {
  if (subject.kind == Kind::kRejected) {
    return fmt::format("The {} stands for nobody, and the policy rejects unknown credentials.",
                       subject.how == "bearer" ? "bearer token" : "API key");
  }
  if (subject.kind == Kind::kConsumer) {
    const std::string_view how = subject.how == "api_key"  ? "its API key"
                                 : subject.how == "bearer" ? "the bearer token"
                                                           : "the gateway, which is trusted";
    return fmt::format("Consumer {} of tier {}, known by {}.", subject.consumer, subject.tier, how);
  }
  const bool had_credentials =
      !facts.api_key.empty() || !facts.bearer.empty() || !facts.consumer.empty();
  return fmt::format(
      "Anonymous{}{}.", subject.how == "allowlist" ? ", from an address on the allowlist" : "",
      had_credentials ? "; the credentials stand for nobody or are not trusted" : "");
}

std::string seconds(int64_t us) {
  return fmt::format("{} s", std::max<int64_t>(1, (us + 999'999) / 1'000'000));
}

std::string say_why(const Decision& decision, const engine::Charge& charge) {
  const std::string cost = policy::milli_to_string(charge.cost);
  switch (decision.reason) {
    case Reason::kOk:
      return fmt::format("It costs {}, and that much is left.", cost);
    case Reason::kExempt:
      return "The endpoint costs nothing.";
    case Reason::kUnlimited:
      return "There are no limits for this subject.";
    case Reason::kMinute:
      return fmt::format("It costs {} and the minute has only {} left; enough will be there in {}.",
                         cost, policy::milli_to_string(decision.minute.remaining),
                         seconds(decision.retry_after_us));
    case Reason::kMonth:
      return fmt::format("It costs {} and the month has only {} left.", cost,
                         policy::milli_to_string(decision.month.remaining));
    case Reason::kCostExceedsLimit:
      return fmt::format("It costs {}, which is more than the limits can ever hold.", cost);
    case Reason::kUnknownCredentials:
      return "Unknown credentials are rejected.";
    case Reason::kCapacity:
      return "There are too many subjects in memory; raise max_subjects or max_anonymous.";
    case Reason::kStoreUnavailable:
      return "The store is lost and the policy says store_lost: deny.";
    case Reason::kOff:
      return "The mode is off, so everything is allowed.";
  }
  return "";
}

Json decision_json(const Decision& decision, const engine::Charge& charge) {
  const bool passes = decision.outcome == Outcome::kAllowed || decision.outcome == Outcome::kExempt;
  return {{"allowed", passes},
          {"outcome", engine::to_string(decision.outcome)},
          {"reason", engine::to_string(decision.reason)},
          {"why", say_why(decision, charge)},
          {"shadow", decision.shadow},
          {"degraded", decision.degraded},
          {"retry_after_ms", (decision.retry_after_us + 999) / 1000},
          {"minute", state_json(decision.minute)},
          {"month", state_json(decision.month)}};
}

Json answer(const Assessed& assessed, const Facts& facts, const Decision& decision) {
  const identity::Subject& subject = assessed.subject;
  return {{"identity",
           {{"kind", kind_name(subject.kind)},
            {"how", subject.how},
            {"consumer", subject.consumer.empty() ? Json() : Json(subject.consumer)},
            {"tier", subject.tier},
            {"billing_day", subject.billing_day},
            {"why", say_who(subject, facts) + (subject.is_uncertain ? kUncertain : "")}}},
          {"endpoint",
           {{"rule", assessed.endpoint.name},
            {"cost", units(assessed.endpoint.cost)},
            {"hits", facts.hits},
            {"total_cost", units(assessed.charge.cost)}}},
          {"limits", limits_json(assessed.charge.limits)},
          // True when an attribute of this one request changes what the subject may have.
          {"limits_overridden", !(assessed.charge.limits == subject.limits)},
          {"mode", policy::to_string(assessed.policy->mode)},
          {"policy", assessed.policy->hash},
          {"decision", decision_json(decision, assessed.charge)}};
}

}  // namespace

Reply Explainer::explain(const Request& request) {
  const auto facts = parse_facts(request.body);
  if (!facts.ok()) return problem(facts.status());
  const identity::Check check = facts->check();

  // The gatekeeper is held only until the engine has the case: waiting for the store comes after.
  std::unique_lock lock(mutex_);
  gatekeeper_.begin(read_clocks());
  const auto end = std::make_shared<LookupEnd>();
  gate::Case found = gatekeeper_.assess(check, end);
  if (found.subject->kind == Kind::kPending) {
    lock.unlock();
    end->wait(kPatience);
    lock.lock();
    gatekeeper_.begin(read_clocks());
    found = gatekeeper_.assess(check);
  }
  Assessed assessed{.subject = *found.subject,
                    .endpoint = *found.endpoint,
                    .charge = found.charge,
                    .policy = gatekeeper_.policy()};
  assessed.charge.subject = assessed.subject.key;
  auto decision =
      wait_for_decision(assessed.charge, [&](Decision& made, engine::Engine::MakeWaiter waiter) {
        const bool decided = gatekeeper_.decide(found, made, waiter);
        lock.unlock();
        return decided;
      });
  if (!decision.ok()) return problem(decision.status());
  decision->degraded |= assessed.subject.is_uncertain;
  return json_reply(answer(assessed, *facts, *decision));
}

}  // namespace quota::admin
