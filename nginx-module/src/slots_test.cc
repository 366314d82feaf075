#include "slots.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace quota {
namespace {

TEST(Slots, FindTheOwnerByItsId) {
  Slots<int> slots;
  int a = 0;
  int b = 0;
  const uint64_t id_a = slots.acquire(&a);
  const uint64_t id_b = slots.acquire(&b);
  EXPECT_EQ(slots.find(id_a), &a);
  EXPECT_EQ(slots.find(id_b), &b);
}

TEST(Slots, NeverGiveOutZero) {
  Slots<int> slots;
  int owner = 0;
  EXPECT_NE(slots.acquire(&owner), 0u);
  EXPECT_EQ(slots.find(0), nullptr);
}

TEST(Slots, DoNotFindTheNextTenantByTheIdOfTheLast) {
  Slots<int> slots;
  int first = 0;
  int second = 0;
  const uint64_t old_id = slots.acquire(&first);
  slots.release(old_id);
  EXPECT_EQ(slots.find(old_id), nullptr);
  const uint64_t new_id = slots.acquire(&second);
  EXPECT_EQ(static_cast<uint32_t>(new_id), static_cast<uint32_t>(old_id))
      << "the place is used again";
  EXPECT_EQ(slots.find(old_id), nullptr);
  EXPECT_EQ(slots.find(new_id), &second);
}

TEST(Slots, FindNobodyByAnIdThatWasNeverGivenOut) {
  Slots<int> slots;
  int owner = 0;
  slots.acquire(&owner);
  EXPECT_EQ(slots.find(UINT64_MAX), nullptr);
  EXPECT_EQ(slots.find(uint64_t{7} << 32 | 1000), nullptr);
}

TEST(Slots, TakeNoMoreRoomThanAreInUseAtOnce) {
  Slots<int> slots;
  int owner = 0;
  std::set<uint32_t> places;
  for (int round = 0; round < 1000; ++round) {
    std::vector<uint64_t> ids;
    for (int i = 0; i < 10; ++i) ids.push_back(slots.acquire(&owner));
    EXPECT_EQ(slots.in_use(), 10u);
    for (const uint64_t id : ids) {
      places.insert(static_cast<uint32_t>(id));
      slots.release(id);
    }
    EXPECT_EQ(slots.in_use(), 0u);
  }
  EXPECT_EQ(places.size(), 10u);
}

}  // namespace
}  // namespace quota
