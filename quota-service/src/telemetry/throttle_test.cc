#include "telemetry/throttle.h"

#include <gtest/gtest.h>

namespace quota::telemetry {
namespace {

TEST(ThrottleTest, LetsOneLineThroughEachSecondAndCountsTheRest) {
  Throttle throttle;
  EXPECT_EQ(throttle.admit(0), 0U);
  EXPECT_EQ(throttle.admit(1), std::nullopt);
  EXPECT_EQ(throttle.admit(999'999), std::nullopt);
  EXPECT_EQ(throttle.admit(1'000'000), 2U);
  EXPECT_EQ(throttle.admit(2'000'000), 0U);
}

TEST(ThrottleTest, CountsWhatWasLeftOutElsewhere) {
  Throttle throttle;
  EXPECT_EQ(throttle.admit(0, 3), 3U);
  EXPECT_EQ(throttle.admit(1, 4), std::nullopt);
  throttle.leave_out(2);
  EXPECT_EQ(throttle.admit(1'000'000), 7U);
}

}  // namespace
}  // namespace quota::telemetry
