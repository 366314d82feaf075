#include "engine/period.h"

#include <gtest/gtest.h>

#include <chrono>

namespace quota::engine {
namespace {

using namespace std::chrono;  // NOLINT: dates read best this way

int64_t at(year_month_day date, int64_t plus_us = 0) {
  return int64_t{sys_days(date).time_since_epoch().count()} * 86'400'000'000 + plus_us;
}

TEST(Period, OfDayOneIsTheCalendarMonth) {
  const Period period = period_at(at(2026y / November / 20), 1);
  EXPECT_EQ(period.start_us, at(2026y / November / 1));
  EXPECT_EQ(period.end_us, at(2026y / December / 1));
  EXPECT_EQ(period.length_s(), 30 * 86'400);
}

TEST(Period, StartsOnTheBillingDayAndEndsTheMomentBeforeTheNext) {
  EXPECT_EQ(period_at(at(2026y / March / 15), 15).start_us, at(2026y / March / 15));
  EXPECT_EQ(period_at(at(2026y / March / 15, -1), 15).start_us, at(2026y / February / 15));
}

TEST(Period, CrossesTheYear) {
  const Period period = period_at(at(2027y / January / 3), 10);
  EXPECT_EQ(period.start_us, at(2026y / December / 10));
  EXPECT_EQ(period.end_us, at(2027y / January / 10));
}

TEST(Period, ABillingDayThatTheMonthLacksIsItsLastDay) {
  const Period leap = period_at(at(2028y / February / 29), 31);
  EXPECT_EQ(leap.start_us, at(2028y / February / 29));
  EXPECT_EQ(leap.end_us, at(2028y / March / 31));
  EXPECT_EQ(period_at(at(2027y / February / 27), 30).start_us, at(2027y / January / 30));
  EXPECT_EQ(period_at(at(2027y / February / 28), 30).start_us, at(2027y / February / 28));
}

TEST(Period, PeriodsOfEveryBillingDayFollowEachOtherWithoutGapOrOverlap) {
  for (int day = 1; day <= 31; ++day) {
    Period period = period_at(at(2023y / January / 1), day);
    while (period.start_us < at(2029y / January / 1)) {
      const Period next = period_at(period.end_us, day);
      ASSERT_EQ(next.start_us, period.end_us);
      ASSERT_EQ(period_at(period.end_us - 1, day).start_us, period.start_us);
      period = next;
    }
  }
}

TEST(PeriodCache, FollowsTheClockInBothDirections) {
  PeriodCache cache;
  EXPECT_EQ(cache.at(at(2026y / May / 2), 1).start_us, at(2026y / May / 1));
  EXPECT_EQ(cache.at(at(2026y / June / 2), 1).start_us, at(2026y / June / 1));
  EXPECT_EQ(cache.at(at(2026y / May / 2), 1).start_us, at(2026y / May / 1));
}

}  // namespace
}  // namespace quota::engine
