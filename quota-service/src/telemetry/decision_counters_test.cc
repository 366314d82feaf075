#include "telemetry/decision_counters.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace quota::telemetry {
namespace {

using engine::Outcome;
using engine::Reason;

std::shared_ptr<const policy::Policy> policy_with(std::vector<std::string> tiers) {
  auto policy = std::make_shared<policy::Policy>();
  for (std::string& name : tiers) policy->tiers.push_back({.name = std::move(name), .limits = {}});
  policy->endpoints = policy::Endpoints(
      {{.name = "/batch", .method = {}, .path = "/batch", .prefix = false, .cost = 1000}}, 1000);
  policy->index_all();
  return policy;
}

uint64_t value(const DecisionCounters& counters, const DecisionLabels& labels) {
  DecisionTotals totals;
  counters.add_to(totals);
  const auto it = totals.decisions.find(labels);
  return it == totals.decisions.end() ? 0 : it->second;
}

TEST(DecisionCounters, CountUnderTheNamesOfThePolicy) {
  const auto policy = policy_with({"free", "pro"});
  DecisionCounters counters;
  counters.use(policy);
  counters.count(policy->find_tier("pro"), policy->endpoints.rules()[0], Outcome::kDenied,
                 Reason::kMonth);
  counters.count(nullptr, policy->endpoints.fallback(), Outcome::kAllowed, Reason::kOk);
  EXPECT_EQ(value(counters, {"pro", "/batch", "denied", "month"}), 1u);
  EXPECT_EQ(value(counters, {"anonymous", "default", "allowed", "ok"}), 1u);
}

TEST(DecisionCounters, GoOnWhenThePolicyChanges) {
  const auto before = policy_with({"free", "pro"});
  DecisionCounters counters;
  counters.use(before);
  counters.count(before->find_tier("pro"), before->endpoints.rules()[0], Outcome::kAllowed,
                 Reason::kOk);
  const auto after = policy_with({"pro"});
  counters.use(after);
  counters.count(after->find_tier("pro"), after->endpoints.rules()[0], Outcome::kAllowed,
                 Reason::kOk);
  EXPECT_EQ(value(counters, {"pro", "/batch", "allowed", "ok"}), 2u);
}

TEST(DecisionCounters, LateDecisionsCountToo) {
  DecisionCounters counters;
  counters.count_late({"free", "/batch", "allowed", "ok"}, 300'000);
  EXPECT_EQ(value(counters, {"free", "/batch", "allowed", "ok"}), 1u);
}

TEST(DecisionCounters, BatchesAndTheirTimesAreSorted) {
  DecisionCounters counters;
  counters.batch(50, 48, 50 * 200);
  DecisionTotals totals;
  counters.add_to(totals);
  EXPECT_EQ(totals.durations[1], 48u) << "200 ns each: above 100, at most 250";
  EXPECT_EQ(totals.duration_sum_ns, 9'600u);
  EXPECT_EQ(totals.batches[6], 1u) << "50 checks: above 32, at most 64";
  EXPECT_EQ(totals.batch_sum, 50u);
}

TEST(DecisionCounters, MayBeReadWhileTheyCount) {
  const auto policy = policy_with({"free"});
  DecisionCounters counters;
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) {
      counters.use(policy);
      for (int n = 0; n < 100; ++n) {
        counters.count(nullptr, policy->endpoints.rules()[0], Outcome::kAllowed, Reason::kOk);
      }
    }
    done = true;
  });
  uint64_t last = 0;
  while (!done) {
    const uint64_t now = value(counters, {"anonymous", "/batch", "allowed", "ok"});
    EXPECT_GE(now, last);
    last = now;
  }
  writer.join();
  EXPECT_EQ(value(counters, {"anonymous", "/batch", "allowed", "ok"}), 20'000u);
}

}  // namespace
}  // namespace quota::telemetry
