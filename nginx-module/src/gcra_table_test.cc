#include "gcra_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace quota {
namespace {

constexpr uint64_t kSecond = 1'000'000;
constexpr Rate kThirtyAMinute{30, 60 * kSecond};
constexpr uint64_t kStart = 1'000 * kSecond;

class GcraTableTest : public ::testing::Test {
 protected:
  explicit GcraTableTest(size_t sets = 64)
      : entries_(sets * GcraTable::kWays), table_(entries_.data(), sets, {1, 2}) {}

  int admitted_of(int requests, std::string_view address, const Rate& rate, uint64_t now_us) {
    int admitted = 0;
    for (int i = 0; i < requests; ++i) admitted += table_.admit(address, rate, now_us) == 0;
    return admitted;
  }

  std::vector<GcraTable::Entry> entries_;
  GcraTable table_;
};

class OneSet : public GcraTableTest {
 protected:
  OneSet() : GcraTableTest(1) {}
};

TEST_F(GcraTableTest, AdmitsTheWholeCountAtOnceAndNoMore) {
  EXPECT_EQ(admitted_of(100, "a", kThirtyAMinute, kStart), 30);
}

TEST_F(GcraTableTest, AdmitsAnotherOneEachInterval) {
  admitted_of(100, "a", kThirtyAMinute, kStart);
  EXPECT_EQ(admitted_of(10, "a", kThirtyAMinute, kStart + 2 * kSecond), 1);
  EXPECT_EQ(admitted_of(10, "a", kThirtyAMinute, kStart + 6 * kSecond), 2);
}

TEST_F(GcraTableTest, SaysHowLongUntilTheNextIsAdmitted) {
  admitted_of(30, "a", kThirtyAMinute, kStart);
  const uint64_t wait = table_.admit("a", kThirtyAMinute, kStart);
  EXPECT_EQ(wait, 2 * kSecond);
  EXPECT_NE(table_.admit("a", kThirtyAMinute, kStart + wait - 1), 0u);
  EXPECT_EQ(table_.admit("a", kThirtyAMinute, kStart + wait), 0u);
}

TEST_F(GcraTableTest, CountsEachAddressForItself) {
  EXPECT_EQ(admitted_of(40, "a", kThirtyAMinute, kStart), 30);
  EXPECT_EQ(admitted_of(40, "b", kThirtyAMinute, kStart), 30);
}

TEST_F(GcraTableTest, IsFullAgainAfterAWindow) {
  admitted_of(100, "a", kThirtyAMinute, kStart);
  EXPECT_EQ(admitted_of(100, "a", kThirtyAMinute, kStart + 60 * kSecond), 30);
}

TEST_F(GcraTableTest, NeverAdmitsMoreThanTwoCountsInAnyWindow) {
  // One at the window's start and one that refills during it; seven does not divide a minute.
  const Rate rate{7, 60 * kSecond};
  int admitted = 0;
  for (uint64_t now = kStart; now < kStart + 60 * kSecond; now += 100'000) {
    admitted += admitted_of(3, "a", rate, now);
  }
  EXPECT_LE(admitted, 14);
  EXPECT_GE(admitted, 13);
}

TEST_F(GcraTableTest, RoundsTheIntervalAgainstTheClient) {
  EXPECT_EQ((Rate{7, 60 * kSecond}.interval_us()), 8'571'429u);
}

TEST_F(OneSet, DeniesANewcomerWhenThereIsNoRoom) {
  for (size_t i = 0; i < GcraTable::kWays; ++i) {
    EXPECT_EQ(table_.admit("old" + std::to_string(i), kThirtyAMinute, kStart), 0u);
  }
  EXPECT_EQ(table_.admit("new", kThirtyAMinute, kStart + 1), 2 * kSecond - 1);
  EXPECT_EQ(admitted_of(40, "old3", kThirtyAMinute, kStart), 29) << "those who are in stay in";
}

TEST_F(OneSet, GivesAPlaceAwayWhenItsTimeHasPassed) {
  for (size_t i = 0; i < GcraTable::kWays; ++i) {
    table_.admit("old" + std::to_string(i), kThirtyAMinute, kStart);
  }
  EXPECT_EQ(table_.admit("new", kThirtyAMinute, kStart + 2 * kSecond), 0u);
}

TEST_F(OneSet, NeverAdmitsMoreThanTheLimitWhileAddressesPushEachOther) {
  std::map<std::string, int> admitted;
  for (int i = 0; i < 20'000; ++i) {
    const std::string address = std::to_string(i * 7919 % 40);
    const uint64_t now = kStart + static_cast<uint64_t>(i) * 100;  // two seconds in all
    admitted[address] += table_.admit(address, kThirtyAMinute, now) == 0;
  }
  for (const auto& [address, count] : admitted) EXPECT_LE(count, 31) << address;
}

// The reference vectors of SipHash's authors: key 00…0f, data 00, 01, ….
TEST(Siphash, AgreesWithTheReference) {
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string data;
  std::vector<uint64_t> hashes;
  for (char i = 0; i < 16; ++i) {
    hashes.push_back(siphash(key, data));
    data += i;
  }
  EXPECT_EQ(hashes[0], 0x726fdb47dd0e0e31u);
  EXPECT_EQ(hashes[1], 0x74f839c593dc67fdu);
  EXPECT_EQ(hashes[8], 0x93f5f5799a932462u);
  EXPECT_EQ(hashes[15], 0xa129ca6149be45e5u);
}

}  // namespace
}  // namespace quota
