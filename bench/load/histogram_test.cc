#include "histogram.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace quota::load {
namespace {

TEST(Histogram, HasNothingToSayWhenNothingWasRecorded) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.quantile(0.5), 0);
  EXPECT_EQ(histogram.max(), 0);
}

TEST(Histogram, KeepsSmallValuesExactly) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 100; ++value) {
    histogram.record(value);
  }
  EXPECT_EQ(histogram.quantile(0), 1);
  EXPECT_EQ(histogram.quantile(0.5), 50);
  EXPECT_EQ(histogram.quantile(0.99), 99);
  EXPECT_EQ(histogram.quantile(1), 100);
}

TEST(Histogram, IsNeverTooSmallAndAtMostOnePercentTooLarge) {
  for (uint64_t value = 1; value < (uint64_t{1} << 62); value += value / 3 + 1) {
    Histogram histogram;
    histogram.record(value);
    histogram.record(std::numeric_limits<uint64_t>::max());
    const uint64_t read = histogram.quantile(0.5);
    ASSERT_GE(read, value);
    ASSERT_LE(static_cast<double>(read), 1.01 * static_cast<double>(value));
  }
}

TEST(Histogram, NeverReadsMoreThanTheLargestValue) {
  Histogram histogram;
  histogram.record(1'000'003);
  EXPECT_EQ(histogram.quantile(0.999), 1'000'003);
}

TEST(Histogram, CountsTheTailByItsPart) {
  Histogram histogram;
  for (int i = 0; i < 999; ++i) {
    histogram.record(10);
  }
  histogram.record(100'000'000);
  EXPECT_EQ(histogram.quantile(0.999), 10);
  EXPECT_EQ(histogram.quantile(0.9991), 100'000'000);
}

}  // namespace
}  // namespace quota::load
