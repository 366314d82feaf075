// The lease script, case by case: what random histories meet too seldom.
#include "store/lease_script_calls.h"

namespace quota::store {
namespace {

using engine::kUnchanged;

TEST_F(LeaseScript, ANewBucketHoldsTheLimit) {
  const Grant grant = ask("a", 1, {});
  EXPECT_EQ(grant.minute.level, 60'000);
  EXPECT_EQ(grant.minute.balance, 0);
  EXPECT_TRUE(grant.minute.burned);
}

TEST_F(LeaseScript, AGrantComesOutOfTheLevel) {
  const Grant grant = ask("a", 1, {.want = 20'000, .least = 1'000});
  EXPECT_EQ(grant.minute.balance, 20'000);
  EXPECT_EQ(grant.minute.level, 40'000);
}

TEST_F(LeaseScript, BeyondWhatIsNeededAHolderGetsNoMoreThanItsPartOfTheHalf) {
  bucket_of(60'000);
  EXPECT_EQ(ask("a", 1, {.want = 50'000, .least = 1'000}).minute.balance, 30'000);
  EXPECT_EQ(ask("b", 1, {.want = 50'000, .least = 1'000}).minute.balance, 7'500);
  const Grant third = ask("c", 1, {.want = 50'000, .least = 1'000});
  EXPECT_EQ(third.holders, 3);
  EXPECT_EQ(third.minute.balance, 22'500 / 6);
}

TEST_F(LeaseScript, WhatIsNeededIsGrantedWholeOrNotAtAll) {
  bucket_of(5'000);
  EXPECT_EQ(ask("a", 1, {.want = 5'000, .least = 5'000}).minute.balance, 5'000);
  us_ += kTtl;  // 2000 more, and the lease is burned
  const Grant refused = ask("a", 2, {.spent = 5'000, .want = 9'000, .least = 3'000});
  EXPECT_EQ(refused.minute.balance, 0);
  EXPECT_EQ(refused.minute.level, 2'000);
  EXPECT_EQ(refused.minute.retry_us, kSecond);
}

TEST_F(LeaseScript, ManyWhoWaitAreTurnedAwayForLonger) {
  bucket_of(0);
  ask("a", 1, {.want = 1'000, .least = 1'000});
  ask("b", 1, {.want = 1'000, .least = 1'000});
  EXPECT_EQ(ask("c", 1, {.want = 1'000, .least = 1'000}).minute.retry_us, 3 * kSecond);
}

TEST_F(LeaseScript, SpendingIsReportedAsASumSoALostReportIsMadeUpForByTheNext) {
  ask("a", 1, {.want = 10'000});
  ask("a", 3, {.spent = 7'000, .want = 3'000});
  EXPECT_EQ(state().holders["a"].balance, 3'000);
  EXPECT_EQ(state().holders["a"].spent, 7'000);
  EXPECT_EQ(state().level, 50'000);
}

TEST_F(LeaseScript, WhatIsReturnedGoesFromTheBalanceToTheLevel) {
  ask("a", 1, {.want = 10'000});
  const Grant grant = ask("a", 2, {.spent = 2'000, .returned = 5'000});
  EXPECT_EQ(grant.minute.balance, 3'000);
  EXPECT_EQ(grant.minute.level, 55'000);
  EXPECT_EQ(ask("a", 3, {.spent = 2'000, .returned = 9'000}).minute.level, 58'000);
}

TEST_F(LeaseScript, TheSameCallAgainChangesNothing) {
  const Reserve request = minute({.spent = 0, .want = 10'000, .least = 1'000});
  const Grant first = call("a", 5, request);
  const auto before = redis_.hash(minute_key(kSubject));
  us_ += 1'000;
  const Grant second = call("a", 5, request);
  EXPECT_EQ(second.minute.balance, first.minute.balance);
  EXPECT_EQ(redis_.hash(minute_key(kSubject)), before);
}

TEST_F(LeaseScript, AnOlderCallIsRefusedAndChangesNothing) {
  ask("a", 5, {.want = 10'000});
  const auto before = redis_.hash(minute_key(kSubject));
  const auto late = send("a", 4, minute({.returned = 10'000, .debt = 7'000, .want = 20'000}));
  EXPECT_TRUE(late.status().message().find("STALE") == 0) << late.status();
  EXPECT_EQ(redis_.hash(minute_key(kSubject)), before);
}

TEST_F(LeaseScript, AnOlderCallIsRefusedByTheMonthAlone) {
  ask_month("a", 5, {.used = 3'000, .want = 1'000});
  EXPECT_FALSE(send("a", 4, month({.used = 2'000, .want = 9'000})).ok());
}

TEST_F(LeaseScript, ALeaseThatIsNotRenewedIsBurned) {
  ask("a", 1, {.want = 10'000});
  us_ += kTtl - 1;
  ask("b", 1, {});
  EXPECT_EQ(state().holders.count("a"), 1u);
  us_ += 1;
  const Grant grant = ask("b", 2, {});
  EXPECT_EQ(state().holders.count("a"), 0u);
  EXPECT_EQ(grant.minute.level, 52'000);  // 50000 and two seconds
  EXPECT_EQ(grant.holders, 1);
}

TEST_F(LeaseScript, EveryCallRenewsTheLease) {
  ask("a", 1, {.want = 10'000});
  us_ += kTtl - 1;
  ask("a", 2, {});
  us_ += kTtl - 1;
  EXPECT_FALSE(ask("a", 3, {}).minute.burned);
}

TEST_F(LeaseScript, ReportsAboutABurnedLeaseAreIgnored) {
  ask("a", 1, {.want = 10'000});
  us_ += kTtl;
  const Grant grant = ask("a", 2, {.spent = 4'000, .returned = 6'000});
  EXPECT_TRUE(grant.minute.burned);
  EXPECT_EQ(grant.minute.level, 52'000);
  EXPECT_EQ(state().holders["a"].spent, 4'000);
  EXPECT_EQ(state().holders["a"].balance, 0);
}

// Until the lease ends it takes room in the bucket, and what did not fit is gone.
TEST_F(LeaseScript, TheBucketFillsOnlyBesideWhatIsLeasedOut) {
  bucket_of(60'000);
  ask("a", 1, {.want = 30'000});
  us_ += kTtl / 2;
  ask("a", 2, {});
  redis_.run({"HSET", minute_key(kSubject), "lvl", "59500"});
  us_ += kSecond;
  EXPECT_EQ(ask("a", 3, {}).minute.level, 60'000);
  us_ += kTtl + kSecond;
  // Two seconds beside the lease bring nothing; one after its end does.
  EXPECT_EQ(ask("b", 1, {}).minute.level, 61'000);
}

TEST_F(LeaseScript, LeasesThatEndOutOfOrderMakeRoomEachAtItsOwnTime) {
  // b is granted first and renewed last; it ends a second after a.
  ask("b", 1, {.want = 20'000});
  ask("a", 1, {.want = 10'000});
  us_ += kSecond;
  ask("b", 2, {.want = 20'000});
  redis_.run({"HSET", minute_key(kSubject), "lvl", "60000"});  // full beside 30000
  us_ += 4 * kSecond;  // a ended 1 s after that, b 2 s after that
  const Grant grant = ask("c", 1, {});
  // 1 s nothing, 1 s beside b's 20000, 2 s beside none.
  EXPECT_EQ(grant.minute.level, 63'000);
  EXPECT_EQ(state().holders.size(), 1u);
}

TEST_F(LeaseScript, RoomThatALaterEndMakesIsNotFilledWithTimeBeforeIt) {
  // Names sort the other way round than the ends.
  for (const bool reversed : {false, true}) {
    redis_.wipe();
    us_ = 0;
    const std::string first = reversed ? "z" : "a", second = reversed ? "a" : "z";
    ask(first, 1, {.want = 1'000});
    us_ += kSecond;
    ask(second, 1, {.want = 29'000, .least = 29'000});
    redis_.run({"HSET", minute_key(kSubject), "lvl", "60000"});
    us_ += 2 * kSecond;  // second ends now; first ended a second ago
    EXPECT_EQ(ask("c", 1, {}).minute.level, 61'000) << reversed;
  }
}

TEST_F(LeaseScript, TimeThatRunsBackwardsBringsNothing) {
  bucket_of(10'000);
  us_ += 10 * kSecond;
  EXPECT_EQ(ask("a", 1, {}).minute.level, 20'000);
  us_ -= 5 * kSecond;
  EXPECT_EQ(ask("a", 2, {.want = 1'000}).minute.level, 19'000);
  us_ += 5 * kSecond;
  EXPECT_EQ(ask("a", 3, {.want = 1'000}).minute.level, 19'000);
}

TEST_F(LeaseScript, ARefillInSmallStepsIsTheSameAsInOne) {
  bucket_of(0, 7'001, 14'000);
  for (int i = 0; i < 1'000; ++i) {
    us_ += 1'237;
    ask("a", static_cast<uint64_t>(i) + 1, {.limit = 7'001, .capacity = 14'000});
  }
  EXPECT_EQ(state().level, 1'237'000LL * 7'001 / 60'000'000);
}

TEST_F(LeaseScript, HugeLimitsLoseNoPrecision) {
  __extension__ typedef __int128 Exact;
  constexpr int64_t kHuge = 1'000'000'000'007;  // 10^9 tokens a minute
  constexpr int64_t kCapacity = kHuge * 3;
  bucket_of(11, kHuge, kCapacity);
  Exact expected = Exact{11} * 60'000'000;
  int64_t step = 1;
  for (uint64_t seq = 1; seq < 40; ++seq) {
    us_ += step;
    expected += Exact{step} * kHuge;
    const Grant grant = ask("a", seq, {.limit = kHuge, .capacity = kCapacity});
    ASSERT_EQ(grant.minute.level, static_cast<int64_t>(expected / 60'000'000)) << seq;
    step = step * 17 % 9'999'991 + 1;
  }
  us_ += 86'400LL * 400 * kSecond;
  EXPECT_EQ(ask("a", 99, {.limit = kHuge, .capacity = kCapacity}).minute.level, kCapacity);
}

TEST_F(LeaseScript, ALongAbsenceLosesNoPrecision) {
  __extension__ typedef __int128 Exact;
  constexpr int64_t kLimit = 59'999'999, kElapsed = 1'000'000'007;
  bucket_of(0, kLimit, kLimit * 100);
  us_ += kElapsed;
  const Exact product = Exact{kLimit} * kElapsed;
  EXPECT_EQ(ask("a", 1, {.limit = kLimit, .capacity = kLimit * 100}).minute.level,
            static_cast<int64_t>(product / 60'000'000));
  EXPECT_EQ(redis_.hash(minute_key(kSubject))["rem"],
            std::to_string(static_cast<int64_t>(product % 60'000'000)));
}

TEST_F(LeaseScript, WhatIsUsedStaysUsedWhenTheLimitChangesWhileLeasesAreOut) {
  ask("a", 1, {.want = 20'000});  // 40000 in the bucket
  EXPECT_EQ(ask("b", 1, {.limit = 100'000, .capacity = 150'000}).minute.level, 80'000);
  EXPECT_EQ(ask("b", 2, {.limit = 60'000, .capacity = 90'000}).minute.level, 40'000);
  EXPECT_EQ(ask("b", 3, {.limit = 10'000, .capacity = 15'000}).minute.level, -10'000);
  EXPECT_EQ(state().holders["a"].balance, 20'000);
}

TEST_F(LeaseScript, ALoweredLimitLeavesNoMoreThanFitsBesideTheLeases) {
  bucket_of(60'000);
  ask("a", 1, {.want = 20'000});
  redis_.run({"HSET", minute_key(kSubject), "lvl", "70000"});
  EXPECT_EQ(ask("b", 1, {.limit = 50'000, .capacity = 50'000}).minute.level, 30'000);
}

TEST_F(LeaseScript, BetweenTwoLimitsTheLowerRateCounts) {
  bucket_of(0);
  us_ += kSecond;
  EXPECT_EQ(ask("a", 1, {.limit = 600'000, .capacity = 900'000}).minute.level, 541'000);
  us_ += kSecond;
  EXPECT_EQ(ask("a", 2, {}).minute.level, 2'000);
}

TEST_F(LeaseScript, AnUnchangedLimitIsTheOneOfTheBucket) {
  bucket_of(10'000);
  us_ += kSecond;
  const Grant grant = ask("a", 1, {.limit = kUnchanged, .want = 1'000, .least = 1'000});
  EXPECT_EQ(grant.minute.balance, 1'000);
  EXPECT_EQ(state().limit, 60'000);
  EXPECT_EQ(state().capacity, 90'000);
}

TEST_F(LeaseScript, ABucketThatHasGoneIsNotMadeByAReport) {
  const Grant grant = ask("a", 1, {.limit = kUnchanged, .spent = 5, .returned = 7});
  EXPECT_EQ(grant.minute.balance, 0);
  EXPECT_FALSE(state().exists);
}

TEST_F(LeaseScript, DebtEndsAtZeroAndNeverDeepensAnOverdraft) {
  bucket_of(5'000);
  EXPECT_EQ(ask("a", 1, {.debt = 3'000}).minute.level, 2'000);
  EXPECT_EQ(ask("a", 2, {.debt = 3'000}).minute.level, 0);
  EXPECT_EQ(ask("a", 3, {.limit = 50'000, .capacity = 75'000}).minute.level, -10'000);
  EXPECT_EQ(ask("a", 4, {.limit = 50'000, .capacity = 75'000, .debt = 1'000}).minute.level,
            -10'000);
}

TEST_F(LeaseScript, ADebtIsTakenOutOfABalanceThatTheHolderHasNotHeardOf) {
  EXPECT_EQ(ask("a", 1, {.want = 5'000, .least = 1'000}).minute.balance, 5'000);
  const Grant after = ask("a", 2, {.debt = 7'000});
  EXPECT_EQ(after.minute.balance, 0);
  EXPECT_EQ(after.minute.level, 53'000);
}

TEST_F(LeaseScript, TheKeyOutlivesItsLastUse) {
  terms_.retention_ms = 1'000;
  ask("a", 1, {});
  // A ttl, and the time that the bucket takes to fill where that is longer.
  const int64_t by_fill = std::stoll(redis_.run({"PTTL", minute_key(kSubject)}));
  EXPECT_GT(by_fill, 91'000);
  EXPECT_LE(by_fill, 92'000);
  terms_.retention_ms = 3'600'000;
  ask("a", 2, {});
  const int64_t by_retention = std::stoll(redis_.run({"PTTL", minute_key(kSubject)}));
  EXPECT_GT(by_retention, 3'601'000);
  EXPECT_LE(by_retention, 3'602'000);
}

}  // namespace
}  // namespace quota::store
