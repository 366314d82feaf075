// The lease script on a Redis that has lost data.
#include "store/lease_script_calls.h"

namespace quota::store {
namespace {

TEST_F(LeaseScript, NothingIsGrantedInThePauseAndABucketRefillsFromNothingAfterIt) {
  ask("a", 1, {.want = 20'000});
  us_ += kSecond;
  void_before_ = kStart + us_ + kTtl;
  const Grant paused = ask("b", 1, {.want = 5'000, .least = 1'000});
  EXPECT_EQ(paused.pause_us, kTtl);
  EXPECT_EQ(paused.minute.balance, 0);
  EXPECT_EQ(paused.minute.level, 0);
  EXPECT_EQ(state().holders.count("a"), 0u);
  us_ += kTtl;
  const Grant empty = ask("b", 2, {.want = 5'000, .least = 1'000});
  EXPECT_EQ(empty.pause_us, 0);
  EXPECT_EQ(empty.minute.balance, 0);
  us_ += 3 * kSecond;
  const Grant later = ask("b", 3, {.want = 3'000, .least = 3'000});
  EXPECT_EQ(later.minute.balance, 3'000);
  EXPECT_EQ(later.minute.level, 0);
}

TEST_F(LeaseScript, ABucketThatIsFirstSeenLongAfterTheLossHasRefilledSince) {
  for (const bool existed : {false, true}) {
    redis_.wipe();
    us_ = 0;
    void_before_ = 0;
    if (existed) ask("a", 1, {.want = 20'000});
    void_before_ = kStart + kTtl;
    us_ = kTtl + 10 * kSecond;
    EXPECT_EQ(ask("b", 1, {}).minute.level, 10'000) << existed;
  }
}

TEST_F(LeaseScript, ABucketTouchedAfterTheLossIsAsItIs) {
  void_before_ = kStart;
  us_ = 10 * kSecond;
  ask("a", 1, {.want = 4'000});
  us_ += kSecond;
  EXPECT_EQ(ask("a", 2, {.spent = 4'000}).minute.level, 7'000);
}

TEST_F(LeaseScript, ARaisedLimitIsNoGiftToABucketWhoseTokensWereLost) {
  ask("a", 1, {});
  void_before_ = kStart + kTtl;
  us_ = kTtl;
  EXPECT_EQ(ask("a", 2, {.limit = 200'000, .capacity = 300'000}).minute.level, 0);
}

TEST_F(LeaseScript, WithoutItsMarkerRedisAnswersNobody) {
  terms_.marker = "quota:marker";
  EXPECT_EQ(send("a", 1, minute({})).status().message().find("NOMARKER"), 0u);
  EXPECT_FALSE(state().exists);
  redis_.mark(terms_.marker, "a", "run 1", "", "birth 1");
  EXPECT_TRUE(send("a", 1, minute({})).ok());
}

TEST_F(LeaseScript, WhoHasNotHeardOfALossIsHeldToThePauseAsWell) {
  terms_.marker = "quota:marker";
  redis_.set_clock(kStart);
  redis_.mark(terms_.marker, "a", "run 1", "", "birth 1");
  redis_.wipe();
  redis_.mark(terms_.marker, "a", "run 1", "birth 1", "birth 2");
  const Grant grant = ask("b", 1, {.want = 9'000, .least = 1'000});
  EXPECT_EQ(grant.pause_us, kTtl);
  EXPECT_EQ(grant.minute.balance, 0);
  us_ = kTtl + kSecond;
  EXPECT_EQ(ask("b", 2, {}).minute.level, 1'000);
}

TEST_F(LeaseScript, ALeaseThatOutlivesThePauseByAWrongClockIsBurnedWithItsBucket) {
  us_ = kSecond;  // by the clock of the server that died
  ask("a", 1, {.want = 20'000});
  us_ = 0;
  void_before_ = kStart + kTtl;
  EXPECT_EQ(ask("a", 2, {}).minute.balance, 0);
}

TEST_F(LeaseScript, ALimitThatIsRaisedInThePauseGrantsNothingBeforeItsEnd) {
  void_before_ = kStart + kTtl;
  ask("a", 1, {});
  const Ask raised{.limit = 200'000, .capacity = 300'000, .want = 9'000, .least = 1'000};
  EXPECT_EQ(ask("a", 2, raised).minute.balance, 0);
}

TEST_F(LeaseScript, NobodyReturnsInThePauseWhatTheyNoLongerHave) {
  void_before_ = kStart + kTtl;
  ask("a", 1, {});
  EXPECT_EQ(ask("a", 2, {.returned = 9'000}).minute.level, 0);
  EXPECT_EQ(state().holders["a"].balance, 0);
}

}  // namespace
}  // namespace quota::store
