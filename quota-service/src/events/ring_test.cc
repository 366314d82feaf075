#include "events/ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace quota::events {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

bool put(Ring<uint64_t>& ring, uint64_t value) {
  uint64_t* const place = ring.claim();
  if (place == nullptr) return false;
  *place = value;
  ring.publish();
  return true;
}

std::vector<uint64_t> drained(Ring<uint64_t>& ring) {
  std::vector<uint64_t> values;
  ring.drain([&](uint64_t value) { values.push_back(value); });
  return values;
}

TEST(RingTest, ShowsInOrderWhatWasPutInAndOnlyOnce) {
  Ring<uint64_t> ring(4);
  put(ring, 1);
  put(ring, 2);
  EXPECT_THAT(drained(ring), ElementsAre(1, 2));
  EXPECT_THAT(drained(ring), IsEmpty());
}

TEST(RingTest, HasNoRoomWhenItIsFullUntilItIsDrained) {
  Ring<uint64_t> ring(4);
  for (uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(put(ring, i));
  EXPECT_FALSE(put(ring, 4));
  EXPECT_THAT(drained(ring), ElementsAre(0, 1, 2, 3));
  EXPECT_TRUE(put(ring, 5));
  EXPECT_THAT(drained(ring), ElementsAre(5));
}

TEST(RingTest, GoesRoundManyTimes) {
  Ring<uint64_t> ring(4);
  for (uint64_t i = 0; i < 1000; i += 3) {
    for (uint64_t j = 0; j < 3; ++j) ASSERT_TRUE(put(ring, i + j));
    ASSERT_THAT(drained(ring), ElementsAre(i, i + 1, i + 2));
  }
}

TEST(RingTest, WhatIsClaimedIsNotSeenBeforeItIsPublished) {
  Ring<uint64_t> ring(4);
  *ring.claim() = 7;
  EXPECT_THAT(drained(ring), IsEmpty());
  ring.publish();
  EXPECT_THAT(drained(ring), ElementsAre(7));
}

TEST(RingTest, TwoThreadsLoseNothingThatFoundRoom) {
  Ring<uint64_t> ring(64);
  constexpr uint64_t kMany = 200'000;
  std::atomic<bool> is_done = false;
  std::atomic<uint64_t> dropped = 0;
  std::thread writer([&] {
    for (uint64_t i = 0; i < kMany; ++i) dropped += put(ring, i) ? 0 : 1;
    is_done = true;
  });
  uint64_t seen = 0;
  uint64_t last = 0;
  const auto drain = [&] {
    ring.drain([&](uint64_t value) {
      ASSERT_TRUE(seen == 0 || value > last);
      last = value;
      ++seen;
    });
  };
  while (!is_done) drain();
  writer.join();
  drain();
  EXPECT_EQ(seen + dropped, kMany);
}

}  // namespace
}  // namespace quota::events
