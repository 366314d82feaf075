#include "store/marker.h"

#include <gtest/gtest.h>

#include "redis/key_slot.h"

namespace quota::store {
namespace {

// Quotads of all versions look for the marker of a node under the same name.
TEST(MarkerKey, OfASlotNeverChanges) {
  EXPECT_EQ(marker_key_in(0), "quota:{m3433}:marker");
  EXPECT_EQ(marker_key_in(1), "quota:{m46800}:marker");
  EXPECT_EQ(marker_key_in(5461), "quota:{m1595}:marker");
  EXPECT_EQ(marker_key_in(10922), "quota:{m5556}:marker");
}

TEST(MarkerKey, LiesInItsSlot) {
  for (int slot = 0; slot < redis::kSlots; slot += 1000) {
    EXPECT_EQ(redis::key_slot(marker_key_in(slot)), slot);
  }
}

}  // namespace
}  // namespace quota::store
