#include "rpc/decider.h"

#include <ctime>

namespace quota::rpc {
namespace {

uint64_t monotonic_ns() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(ts.tv_nsec);
}

// A check that waits: what its verdict needs, copied out of the batch, which will be gone.
class LateCheck final : public engine::Waiter {
 public:
  LateCheck(const gate::Case& assessed, uint64_t id, std::shared_ptr<const policy::Policy> policy,
            std::shared_ptr<LateVerdicts> to, std::shared_ptr<telemetry::DecisionCounters> counters)
      : subject_key_(assessed.charge.subject),
        consumer_(assessed.subject->consumer),
        tier_(assessed.subject->tier),
        endpoint_(assessed.endpoint),
        charge_(assessed.charge),
        id_(id),
        policy_(std::move(policy)),
        to_(std::move(to)),
        counters_(std::move(counters)),
        since_ns_(monotonic_ns()) {
    charge_.subject = subject_key_;
  }

  const engine::Charge& charge() const override { return charge_; }

  void decided(const engine::Decision& decision) override {
    counters_->count_late({.tier = tier_,
                           .endpoint = endpoint_->name,
                           .outcome = std::string(to_string(decision.outcome)),
                           .reason = std::string(to_string(decision.reason))},
                          monotonic_ns() - since_ns_);
    to_->deliver({.id = id_,
                  .consumer = consumer_,
                  .tier = tier_,
                  .endpoint = endpoint_->name,
                  .cost_milli = charge_.cost},
                 decision);
  }

 private:
  const std::string subject_key_;
  const std::string consumer_;
  const std::string tier_;
  const policy::EndpointRule* endpoint_;  // in policy_
  engine::Charge charge_;
  const uint64_t id_;
  const std::shared_ptr<const policy::Policy> policy_;
  const std::shared_ptr<LateVerdicts> to_;
  const std::shared_ptr<telemetry::DecisionCounters> counters_;
  const uint64_t since_ns_;
};

}  // namespace

Decider::Decider(engine::Engine& engine, const policy::LivePolicy& live,
                 const identity::Directory& directory,
                 std::shared_ptr<telemetry::DecisionCounters> counters)
    : gatekeeper_(engine, live, directory), counters_(std::move(counters)) {}

void Decider::begin() {
  began_ns_ = monotonic_ns();
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  gatekeeper_.begin({.mono_us = static_cast<int64_t>(began_ns_ / 1000),
                     .unix_us = int64_t{wall.tv_sec} * 1'000'000 + wall.tv_nsec / 1000});
  if (gatekeeper_.policy().get() != counted_policy_) {
    counters_->use(gatekeeper_.policy());
    counted_policy_ = gatekeeper_.policy().get();
  }
}

void Decider::end(uint64_t checks) { counters_->batch(checks, monotonic_ns() - began_ns_); }

bool Decider::decide(std::string& out, Append append, const std::shared_ptr<LateVerdicts>& late) {
  const gate::Case assessed = gatekeeper_.assess(check_);
  engine::Decision decision;
  const bool known = gatekeeper_.decide(assessed, decision, [&] {
    return std::make_unique<LateCheck>(assessed, check_.id, gatekeeper_.policy(), late, counters_);
  });
  if (!known) return false;
  const identity::Subject& subject = *assessed.subject;
  counters_->count(subject.kind == identity::Kind::kConsumer
                       ? gatekeeper_.policy()->find_tier(subject.tier)
                       : nullptr,
                   *assessed.endpoint, decision.outcome, decision.reason);
  append(out,
         {.id = check_.id,
          .consumer = subject.consumer,
          .tier = subject.tier,
          .endpoint = assessed.endpoint->name,
          .cost_milli = assessed.charge.cost},
         decision);
  return true;
}

bool Decider::decide_batch(std::string_view request, std::string& response,
                           const std::shared_ptr<LateVerdicts>& late, uint64_t& waiting) {
  begin();
  BatchReader batch(request);
  for (uint64_t checks = 0;; ++checks) {
    const BatchReader::Step step = batch.next(check_);
    if (step == BatchReader::Step::kEnd) {
      end(checks);
      append_ack(response);
      return true;
    }
    if (step == BatchReader::Step::kMalformed || checks == kMaxChecksPerBatch) return false;
    if (!decide(response, append_batch_verdict, late)) ++waiting;
  }
}

Decider::One Decider::decide_one(std::string_view check_request, std::string& verdict,
                                 const std::shared_ptr<LateVerdicts>& late) {
  if (!read_check_request(check_request, check_)) return One::kMalformed;
  begin();
  const bool known = decide(verdict, append_verdict, late);
  end(1);
  return known ? One::kDecided : One::kWaiting;
}

}  // namespace quota::rpc
