#include "admin/peek.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace quota::admin {
namespace {

// What the waiter leaves behind; whoever of the two goes last frees it.
struct Answer {
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<engine::Decision> decision;
};

class BlockingWaiter final : public engine::Waiter {
 public:
  BlockingWaiter(const engine::Charge& charge, std::shared_ptr<Answer> answer)
      : subject_(charge.subject), charge_(charge), answer_(std::move(answer)) {
    charge_.subject = subject_;
  }

  const engine::Charge& charge() const override { return charge_; }

  void decided(const engine::Decision& decision) override {
    const std::lock_guard lock(answer_->mutex);
    answer_->decision = decision;
    answer_->arrived.notify_one();
  }

 private:
  const std::string subject_;
  engine::Charge charge_;
  const std::shared_ptr<Answer> answer_;
};

}  // namespace

absl::StatusOr<engine::Decision> wait_for_decision(const engine::Charge& charge,
                                                   const Decide& decide,
                                                   std::chrono::milliseconds patience) {
  const auto answer = std::make_shared<Answer>();
  engine::Decision decision;
  if (decide(decision, [&] { return std::make_unique<BlockingWaiter>(charge, answer); })) {
    return decision;
  }
  std::unique_lock lock(answer->mutex);
  if (!answer->arrived.wait_for(lock, patience, [&] { return answer->decision.has_value(); })) {
    return absl::DeadlineExceededError("the store did not answer in time; try again shortly");
  }
  return *answer->decision;
}

Entitlement entitlement_of(const policy::Policy& policy, const policy::Consumer& consumer,
                           std::string_view tier) {
  Entitlement entitlement{.tier = policy.find_tier(tier), .limits = policy.anonymous.limits};
  if (entitlement.tier == nullptr) entitlement.tier = policy.find_tier(policy.default_tier);
  if (entitlement.tier != nullptr) entitlement.limits = entitlement.tier->limits;
  consumer.overrides.apply_to(entitlement.limits);
  return entitlement;
}

absl::StatusOr<engine::Decision> look_at_consumer(engine::Engine& engine,
                                                  const policy::Policy& policy,
                                                  const policy::Consumer& consumer,
                                                  const policy::Limits& limits, Now now,
                                                  std::chrono::milliseconds patience) {
  const std::string subject = subject_of(consumer.id);
  engine::Charge charge;
  charge.subject = subject;
  charge.limits = limits;
  charge.burst_milli = policy.burst_milli;
  charge.billing_day = consumer.billing_day;
  charge.peek = true;
  charge.store_lost = policy.store_lost;
  return wait_for_decision(
      charge,
      [&](auto& decision, auto make_waiter) {
        return engine.decide(charge, now, decision, make_waiter);
      },
      patience);
}

std::string subject_of(const std::string& consumer) { return "c:" + consumer; }

}  // namespace quota::admin
