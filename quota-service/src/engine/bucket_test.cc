#include "engine/bucket.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace quota::engine {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kFree = 100'000;  // 100 a minute, in milli
constexpr int64_t kBurst = 1500;

Bucket fresh(int64_t limit = kFree, int64_t at = 0) {
  Bucket bucket;
  bucket.advance(at, limit, kBurst);
  return bucket;
}

TEST(Bucket, StartsWithTheLimit) { EXPECT_EQ(fresh().level(), kFree); }

TEST(Bucket, HoldsLimitTimesBurstAfterIdlenessAndNeverMore) {
  Bucket bucket = fresh();
  bucket.advance(120 * kSecond, kFree, kBurst);
  EXPECT_EQ(bucket.level(), 150'000);
  bucket.advance(1'000'000 * kSecond, kFree, kBurst);
  EXPECT_EQ(bucket.level(), 150'000);
}

TEST(Bucket, RefillsAtLimitPerMinute) {
  Bucket bucket = fresh();
  bucket.take(kFree);
  bucket.advance(6 * kSecond, kFree, kBurst);
  EXPECT_EQ(bucket.level(), 10'000);
}

TEST(Bucket, TimeThatRunsBackwardsMakesNoTokens) {
  Bucket bucket = fresh(kFree, 100 * kSecond);
  bucket.take(kFree);
  bucket.advance(40 * kSecond, kFree, kBurst);
  EXPECT_EQ(bucket.level(), 0);
  bucket.advance(100 * kSecond, kFree, kBurst);
  EXPECT_EQ(bucket.level(), 0);
}

TEST(Bucket, WhatWasUsedStaysUsedWhenTheLimitIsRaised) {
  Bucket bucket = fresh();
  bucket.take(60'000);
  bucket.advance(0, 200'000, kBurst);
  EXPECT_EQ(bucket.level(), 140'000);
}

TEST(Bucket, ChangingTheLimitBackAndForthGivesNothing) {
  Bucket bucket = fresh();
  bucket.take(60'000);
  bucket.advance(0, 50'000, kBurst);
  EXPECT_EQ(bucket.level(), -10'000);
  bucket.advance(0, kFree, kBurst);
  EXPECT_EQ(bucket.level(), 40'000);
}

TEST(Bucket, WaitIsTheFirstMomentAtWhichTheTokensAreThere) {
  Bucket bucket = fresh(7'000);
  bucket.take(7'000);
  const int64_t wait = bucket.wait_us(1'000);
  Bucket early = bucket;
  early.advance(wait - 1, 7'000, kBurst);
  EXPECT_LT(early.level(), 1'000);
  bucket.advance(wait, 7'000, kBurst);
  EXPECT_GE(bucket.level(), 1'000);
}

TEST(Bucket, ALimitOfZeroNeverRefills) {
  Bucket bucket = fresh(0);
  EXPECT_EQ(bucket.wait_us(1), Bucket::kNever);
  bucket.advance(INT64_MAX / 2, 0, kBurst);
  EXPECT_EQ(bucket.level(), 0);
}

TEST(Bucket, TheLargestLimitAndTheLongestTimeDoNotOverflow) {
  constexpr int64_t kMost = 1'000'000'000'000;
  Bucket bucket = fresh(kMost);
  bucket.take(kMost);
  EXPECT_EQ(bucket.wait_us(kMost), Bucket::kMinuteUs);
  bucket.advance(INT64_MAX - 1, kMost, 100'000);
  EXPECT_EQ(bucket.level(), 100 * kMost);
}

TEST(Bucket, ASavedBucketGoesOnWhereItWas) {
  Bucket bucket;
  bucket.restore(kFree, 10'000, /*now_us=*/50 * kSecond, /*age_us=*/6 * kSecond);
  bucket.advance(50 * kSecond, kFree, kBurst);
  EXPECT_EQ(bucket.level(), 20'000);
}

// The remainder is kept: many small steps give just what one large step gives.
RC_GTEST_PROP(BucketProperty, StepsDoNotMatter, ()) {
  const auto limit = *rc::gen::inRange<int64_t>(1, 5'000'000);
  const auto steps =
      *rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(0, 3'000'000));
  Bucket stepped = fresh(limit);
  stepped.take(limit);
  Bucket leaped = stepped;
  int64_t now = 0;
  for (const int64_t step : steps) {
    now += step;
    stepped.advance(now, limit, kBurst);
  }
  leaped.advance(now, limit, kBurst);
  RC_ASSERT(stepped.level() == leaped.level());
}

}  // namespace
}  // namespace quota::engine
