#include "usage/meter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "policy/load.h"

namespace quota::usage {
namespace {

using engine::Outcome;
using identity::Subject;

constexpr int64_t kDayUs = 86'400'000'000;
constexpr int64_t kNoonUs = 20'000 * kDayUs + kDayUs / 2;

std::shared_ptr<const policy::Policy> some_policy() {
  auto policy = std::make_shared<policy::Policy>();
  policy->tiers = {{.name = "free", .limits = {}}, {.name = "pro", .limits = {}}};
  policy->endpoints = policy::Endpoints({{.name = "/a", .method = {}, .path = "/a", .cost = 1000},
                                         {.name = "/b", .method = {}, .path = "/b", .cost = 2500}},
                                        1000);
  return policy;
}

Subject subject(std::string consumer, const policy::Tier* tier) {
  Subject result;
  result.consumer = std::move(consumer);
  result.tier = tier ? tier->name : "anonymous";
  result.tier_entry = tier;
  return result;
}

Sums sums(const std::vector<Row>& rows) {
  Sums result;
  for (const Row& row : rows) result[row.key] += row.amount;
  return result;
}

class MeterTest : public ::testing::Test {
 protected:
  void count(const Subject& who, std::string_view path, Outcome outcome = Outcome::kAllowed,
             uint32_t hits = 1) {
    meter_.begin(policy_, now_us_);
    const policy::EndpointRule& rule = policy_->endpoints.match("GET", path);
    meter_.count(who, rule, outcome, hits, rule.cost * int64_t{hits});
    meter_.end();
  }

  std::shared_ptr<const policy::Policy> policy_ = some_policy();
  int64_t now_us_ = kNoonUs;
  Meter meter_{3};
  Subject acme_ = subject("acme", &policy_->tiers[0]);
};

TEST_F(MeterTest, verdicts_are_summed_by_consumer_endpoint_and_day) {
  count(acme_, "/a");
  count(acme_, "/b", Outcome::kAllowed, 3);
  count(acme_, "/b", Outcome::kDenied, 2);
  count(acme_, "/c", Outcome::kUnauthenticated);
  count(subject("", nullptr), "/a", Outcome::kExempt);
  const Sums found = sums(meter_.fetch());
  const Sums expected = {
      {{"acme", "/a", 20'000}, {.requests = 1, .denials = 0, .cost_milli = 1000}},
      {{"acme", "/b", 20'000}, {.requests = 5, .denials = 2, .cost_milli = 7500}},
      {{"acme", "default", 20'000}, {.requests = 1, .denials = 1, .cost_milli = 0}},
      {{"", "/a", 20'000}, {.requests = 1, .denials = 0, .cost_milli = 1000}}};
  EXPECT_EQ(found, expected);
}

TEST_F(MeterTest, what_was_fetched_is_not_fetched_again) {
  count(acme_, "/a");
  EXPECT_EQ(meter_.fetch().size(), 1u);
  EXPECT_TRUE(meter_.fetch().empty());
  count(acme_, "/a", Outcome::kAllowed, 4);
  EXPECT_EQ(meter_.fetch().at(0).amount.requests, 4u);
}

TEST_F(MeterTest, a_new_day_and_a_new_policy_lose_nothing) {
  count(acme_, "/a");
  now_us_ += kDayUs;
  count(acme_, "/a", Outcome::kAllowed, 2);
  policy_ = some_policy();
  acme_.tier_entry = &policy_->tiers[0];
  count(acme_, "/b", Outcome::kAllowed, 4);
  const Sums found = sums(meter_.fetch());
  EXPECT_EQ(found.at({"acme", "/a", 20'000}).requests, 1u);
  EXPECT_EQ(found.at({"acme", "/a", 20'001}).requests, 2u);
  EXPECT_EQ(found.at({"acme", "/b", 20'001}).requests, 4u);
}

TEST_F(MeterTest, more_consumers_than_fit_into_a_table_lose_nothing) {
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 10; ++i) count(subject("c" + std::to_string(i), nullptr), "/a");
  }
  const Sums found = sums(meter_.fetch());
  ASSERT_EQ(found.size(), 10u);
  for (const auto& [key, amount] : found) EXPECT_EQ(amount.requests, 2u) << key.consumer;
}

TEST_F(MeterTest, a_consumer_that_changed_its_tier_shows_the_new_one) {
  count(acme_, "/a");
  EXPECT_EQ(meter_.fetch().at(0).tier, "free");
  acme_ = subject("acme", &policy_->tiers[1]);
  count(acme_, "/a");
  EXPECT_EQ(meter_.fetch().at(0).tier, "pro");
}

TEST_F(MeterTest, late_verdicts_are_counted_with_the_others) {
  count(acme_, "/a");
  meter_.count_late({"acme", "/a", 20'000}, "free", {.requests = 2, .denials = 1, .cost_milli = 5});
  meter_.count_late({"acme", "/a", 20'000}, "free", {.requests = 1, .denials = 0, .cost_milli = 5});
  EXPECT_EQ(sums(meter_.fetch()).at({"acme", "/a", 20'000}),
            (Amount{.requests = 4, .denials = 1, .cost_milli = 1010}));
  EXPECT_TRUE(meter_.fetch().empty());
}

TEST_F(MeterTest, sums_stop_before_they_overflow) {
  Amount sum;
  for (int i = 0; i < 5; ++i) {
    sum += {.requests = 1, .denials = 0, .cost_milli = UINT64_MAX / 4};
  }
  EXPECT_EQ(sum, (Amount{.requests = 5, .denials = 0, .cost_milli = kMostCounted}));
}

TEST_F(MeterTest, fetching_while_others_count_misses_nothing_and_counts_nothing_twice) {
  constexpr int kRounds = 20'000;
  std::atomic<bool> is_done{false};
  std::thread owner([&] {
    std::shared_ptr<const policy::Policy> policies[] = {policy_, some_policy()};
    std::vector<Subject> many;
    for (int i = 0; i < 5; ++i) many.push_back(subject("c" + std::to_string(i), nullptr));
    for (int i = 0; i < kRounds; ++i) {
      const auto& policy = policies[i / 100 % 2];
      meter_.begin(policy, now_us_ + i / 1000 * kDayUs);
      for (const Subject& each : many) {
        meter_.count(each, policy->endpoints.match("GET", "/a"), Outcome::kAllowed, 1, 1000);
        meter_.count(each, policy->endpoints.match("GET", "/b"), Outcome::kDenied, 1, 2500);
      }
      meter_.end();
      if (i % 10 == 0) meter_.count_late({"late", "/a", 1}, "free", {.requests = 1});
    }
    is_done = true;
  });
  Sums found;
  while (true) {
    const bool is_last = is_done;
    for (const Row& row : meter_.fetch()) found[row.key] += row.amount;
    if (is_last) break;
  }
  owner.join();
  std::map<std::string, Amount> by_consumer;
  for (const auto& [key, amount] : found) by_consumer[key.consumer] += amount;
  EXPECT_EQ(by_consumer.size(), 6u);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(by_consumer["c" + std::to_string(i)],
              (Amount{.requests = 2 * kRounds, .denials = kRounds, .cost_milli = 1000 * kRounds}));
  }
  EXPECT_EQ(by_consumer["late"].requests, kRounds / 10);
}

}  // namespace
}  // namespace quota::usage
