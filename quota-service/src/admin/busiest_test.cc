#include "admin/busiest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quota::admin {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;

constexpr int64_t kSecond = 1'000'000;

auto named(const char* consumer) { return Field(&TopEntry::consumer, consumer); }

TEST(Busiest, IsEmptyAtFirst) {
  Busiest top;
  EXPECT_TRUE(top.busiest(10, 5 * kSecond).empty());
  EXPECT_EQ(top.totals(5 * kSecond).consumers, 0u);
}

TEST(Busiest, SumsUpAMinuteAndNoMore) {
  Busiest top;
  for (int second = 1; second <= 100; ++second) {
    top.add("acme", "pro", 10, 2, 15'000, second * kSecond);
  }
  const auto seen = top.busiest(10, 100 * kSecond);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].consumer, "acme");
  EXPECT_EQ(seen[0].tier, "pro");
  EXPECT_EQ(seen[0].requests, 600u);
  EXPECT_EQ(seen[0].denied, 120u);
  EXPECT_EQ(seen[0].cost_milli, 900'000);
  EXPECT_DOUBLE_EQ(seen[0].per_second, 10.0);
  EXPECT_EQ(top.busiest(10, 130 * kSecond)[0].requests, 300u) << "the window moves with the time";
  EXPECT_DOUBLE_EQ(top.busiest(10, 130 * kSecond)[0].per_second, 0.0);
  EXPECT_TRUE(top.busiest(10, 160 * kSecond).empty());
  EXPECT_EQ(top.totals(160 * kSecond).consumers, 0u);
}

TEST(Busiest, SeesASteadyFeedWhole) {
  // Whatever part of a second the feed and the question come in.
  for (const int64_t offset : {int64_t{0}, kSecond / 3, kSecond - 1}) {
    Busiest top;
    for (int second = 1; second <= 90; ++second) {
      top.add("acme", "pro", 7, 0, 0, second * kSecond + offset);
    }
    for (const int64_t later : {int64_t{0}, kSecond / 2, kSecond - 1}) {
      const auto seen = top.busiest(1, 90 * kSecond + offset + later);
      EXPECT_DOUBLE_EQ(seen[0].per_second, 7.0);
      EXPECT_EQ(seen[0].requests, 420u);
    }
  }
}

TEST(Busiest, OrdersByRequestsThenByName) {
  Busiest top;
  top.add("few", "free", 1, 0, 9'000'000, kSecond);
  top.add("", "anonymous", 5, 0, 0, kSecond);
  top.add("zenith", "free", 3, 0, 0, kSecond);
  top.add("acme", "free", 3, 0, 0, kSecond);
  EXPECT_THAT(top.busiest(10, kSecond),
              ElementsAre(named(""), named("acme"), named("zenith"), named("few")));
  EXPECT_THAT(top.busiest(2, kSecond), ElementsAre(named(""), named("acme")));
  EXPECT_TRUE(top.busiest(0, kSecond).empty());
}

TEST(Busiest, TotalsCountEverybody) {
  Busiest top;
  top.add("acme", "pro", 20, 1, 2'000, kSecond);
  top.add("", "anonymous", 10, 5, 1'000, kSecond);
  const TopTotals totals = top.totals(kSecond);
  EXPECT_EQ(totals.consumers, 2u);
  EXPECT_EQ(totals.requests, 30u);
  EXPECT_EQ(totals.denied, 6u);
  EXPECT_EQ(totals.cost_milli, 3'000);
  EXPECT_DOUBLE_EQ(totals.per_second, 3.0);
}

TEST(Busiest, KnowsTheTierThatWasSeenLast) {
  Busiest top;
  top.add("acme", "free", 1, 0, 0, kSecond);
  top.add("acme", "pro", 1, 0, 0, 2 * kSecond);
  EXPECT_EQ(top.busiest(1, 2 * kSecond)[0].tier, "pro");
  EXPECT_EQ(top.busiest(1, 2 * kSecond)[0].requests, 2u);
}

TEST(Busiest, ForgetsTheLeastBusyWhenThereAreTooMany) {
  Busiest top(100);
  for (int i = 0; i < 100; ++i) {
    top.add("old-" + std::to_string(i), "free", static_cast<uint64_t>(100 + i), 0, 0, kSecond);
  }
  for (int i = 0; i < 10'000; ++i) {
    top.add("flood-" + std::to_string(i), "free", 1, 0, 0, 2 * kSecond);
    ASSERT_LE(top.totals(2 * kSecond).consumers, 100u);
  }
  const auto seen = top.busiest(80, 2 * kSecond);
  ASSERT_EQ(seen.size(), 80u);
  EXPECT_EQ(seen.front().consumer, "old-99");
  EXPECT_EQ(seen.back().consumer, "old-20") << "no flood pushes out who asks more";
}

TEST(Busiest, ForgetsThoseWhoAskNoMoreFirst) {
  Busiest top(8);
  for (int i = 0; i < 8; ++i) top.add("old-" + std::to_string(i), "free", 1000, 0, 0, kSecond);
  for (int i = 0; i < 4; ++i) top.add("new-" + std::to_string(i), "free", 1, 0, 0, 90 * kSecond);
  EXPECT_THAT(top.busiest(10, 90 * kSecond),
              ElementsAre(named("new-0"), named("new-1"), named("new-2"), named("new-3")));
}

}  // namespace
}  // namespace quota::admin
