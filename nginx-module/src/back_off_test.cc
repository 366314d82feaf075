#include "back_off.h"

#include <gtest/gtest.h>

namespace quota {
namespace {

TEST(BackOff, DoublesUpToItsLongest) {
  BackOff back_off;
  for (const uint32_t expected : {50u, 100u, 200u, 400u, 800u, 1600u, 2000u, 2000u}) {
    EXPECT_EQ(back_off.next_ms(0), expected);
  }
}

TEST(BackOff, TakesUpToAQuarterOff) {
  for (uint32_t random = 0; random < 1000; ++random) {
    BackOff back_off;
    const uint32_t delay = back_off.next_ms(random);
    EXPECT_LE(delay, 50u);
    EXPECT_GT(delay, 37u);
  }
}

TEST(BackOff, StartsAgainAfterAReset) {
  BackOff back_off;
  back_off.next_ms(0);
  back_off.next_ms(0);
  back_off.reset();
  EXPECT_EQ(back_off.next_ms(0), BackOff::kFirstMs);
}

}  // namespace
}  // namespace quota
