// Months and resets in the scripts, case by case.
#include <gtest/gtest.h>

#include "store/script_redis.h"

namespace quota::store {
namespace {

using engine::Grant;
using engine::kUnchanged;
using engine::MonthKey;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 2'524'608'000LL * kSecond;
const MonthKey kMonth{"c:acme", 29'220};

class LeaseMonth : public testing::Test {
 protected:
  struct Ask {
    int64_t used = 0, want = 0, least = 0;
    bool release = false;
    int64_t limit = 160'000;
    int64_t minute = -1;
    int64_t spent = 0, minute_want = 0;
  };

  void SetUp() override { redis_.wipe(); }

  Grant call(const std::string& holder, uint64_t seq, const Ask& ask) {
    redis_.set_clock(kStart + us_);
    auto grant = redis_.lease({.month = kMonth,
                               .limit = ask.limit,
                               .cost = ask.least,
                               .demand = ask.want,
                               .used = ask.used,
                               .seq = seq,
                               .release = ask.release,
                               .minute = {.limit = ask.minute,
                                          .capacity = ask.minute * 3 / 2,
                                          .spent = ask.spent,
                                          .want = ask.minute_want}},
                              terms_, holder, void_before_);
    EXPECT_TRUE(grant.ok()) << grant.status();
    return grant.ok() ? *grant : Grant{};
  }
  int64_t left() { return redis_.month(kMonth).level; }

  ScriptRedis& redis_ = ScriptRedis::instance();
  LeaseTerms terms_{.holder = "", .marker = ""};
  int64_t us_ = 0;
  int64_t void_before_ = 0;
};

TEST_F(LeaseMonth, BeyondWhatIsNeededItGivesNoMoreThanASixteenthOfWhatRemains) {
  EXPECT_EQ(call("a", 1, {.want = 90'000, .least = 1'000}).mark, 10'000);
  EXPECT_EQ(call("b", 1, {.want = 90'000, .least = 20'000}).mark, 20'000);
  EXPECT_EQ(left(), 130'000);
}

TEST_F(LeaseMonth, WhatOthersSpentOrMaySpendIsSaid) {
  call("a", 1, {.want = 10'000});
  call("a", 2, {.used = 4'000});
  const Grant grant = call("b", 1, {.least = 3'000});
  EXPECT_EQ(grant.others, 10'000);
  EXPECT_EQ(grant.used, 0);
  EXPECT_EQ(grant.mark, 3'000);
}

TEST_F(LeaseMonth, AReportIsASumAndTheLargestCounts) {
  call("a", 1, {.want = 10'000});
  call("a", 2, {.used = 7'000});
  call("a", 3, {.used = 7'000});
  EXPECT_EQ(call("a", 4, {.used = 5'000}).used, 7'000);
  EXPECT_EQ(left(), 150'000);
  EXPECT_EQ(redis_.month(kMonth).out(), 3'000);
}

TEST_F(LeaseMonth, WhatWasSpentBeyondTheGrantIsTakenFromTheRest) {
  call("a", 1, {.want = 10'000});
  const Grant grant = call("a", 2, {.used = 12'000});
  EXPECT_EQ(grant.used, 12'000);
  EXPECT_EQ(grant.mark, 12'000);
  EXPECT_EQ(left(), 148'000);
}

TEST_F(LeaseMonth, WhatIsReleasedCanBeSpentByOthersAndNoLongerByTheHolder) {
  call("a", 1, {.want = 10'000});
  const Grant grant = call("a", 2, {.used = 4'000, .release = true});
  EXPECT_EQ(grant.mark, 4'000);
  EXPECT_EQ(left(), 156'000);
  EXPECT_EQ(redis_.month(kMonth).out(), 0);
}

TEST_F(LeaseMonth, AHolderThatHasForgottenItsCountHasSpentAllItWasGiven) {
  call("a", 1, {.want = 10'000});
  call("a", 2, {.used = 2'000});
  EXPECT_EQ(call("a", 3, {.used = -1}).used, 10'000);
  EXPECT_EQ(left(), 150'000);
}

TEST_F(LeaseMonth, NothingIsGrantedBeyondItsEnd) {
  call("a", 1, {.least = 160'000});
  EXPECT_EQ(left(), 0);
  const Grant refused = call("b", 1, {.want = 9'000, .least = 1'000});
  EXPECT_EQ(refused.mark, 0);
  EXPECT_EQ(refused.others, 160'000);
}

TEST_F(LeaseMonth, WhatIsUsedStaysUsedWhenTheQuotaChanges) {
  call("a", 1, {.least = 50'000});
  call("b", 1, {.limit = 200'000});
  EXPECT_EQ(left(), 150'000);
  call("b", 2, {.limit = 40'000});
  EXPECT_EQ(left(), -10'000);
  call("b", 3, {.want = 1'000, .limit = kUnchanged});
  EXPECT_EQ(left(), -10'000);
}

TEST_F(LeaseMonth, AnEmptyMonthTakesInCountsBeforeItsQuotaIsKnown) {
  const Grant grant = call("a", 1, {.used = 30'000, .limit = kUnchanged});
  EXPECT_EQ(grant.mark, 30'000);
  call("b", 1, {.least = 1'000});
  EXPECT_EQ(left(), 129'000);
}

TEST_F(LeaseMonth, AnOlderStateGetsItsCountsBackExactly) {
  call("a", 1, {.want = 10'000});
  call("b", 1, {.want = 5'000});
  call("a", 2, {.used = 3'000});
  redis_.run({"COPY", month_key(kMonth), "old"});
  call("a", 3, {.used = 9'000, .least = 8'000});
  call("a", 4, {.used = 17'000, .release = true});
  call("b", 2, {.used = 5'000, .least = 2'000});
  call("b", 3, {.used = 6'000, .release = true});
  ASSERT_EQ(left(), 160'000 - 17'000 - 6'000);
  redis_.run({"COPY", "old", month_key(kMonth), "REPLACE"});
  call("a", 5, {.used = 17'000, .limit = kUnchanged});
  call("b", 4, {.used = 6'000, .limit = kUnchanged});
  EXPECT_EQ(left(), 160'000 - 17'000 - 6'000);
  EXPECT_EQ(redis_.month(kMonth).spent(), 23'000);
  EXPECT_EQ(redis_.month(kMonth).out(), 0);
}

TEST_F(LeaseMonth, ThePauseGrantsNothingButTakesInCounts) {
  void_before_ = kStart + kSecond;
  const Grant paused = call("a", 1, {.used = 30'000, .want = 10'000, .least = 1'000});
  EXPECT_EQ(paused.mark, 30'000);
  EXPECT_EQ(left(), 130'000);
  us_ = kSecond;
  EXPECT_EQ(call("a", 2, {.used = 30'000, .least = 1'000}).mark, 31'000);
}

TEST_F(LeaseMonth, TheSameCallAgainChangesNothingInEitherPart) {
  const Ask ask{.used = 0, .want = 10'000, .minute = 60'000, .minute_want = 8'000};
  const Grant first = call("a", 3, ask);
  const auto minute = redis_.hash(minute_key(kMonth.subject)),
             month = redis_.hash(month_key(kMonth));
  us_ += 1'000;
  const Grant second = call("a", 3, ask);
  EXPECT_EQ(redis_.hash(minute_key(kMonth.subject)), minute);
  EXPECT_EQ(redis_.hash(month_key(kMonth)), month);
  EXPECT_EQ(second.mark, first.mark);
  EXPECT_EQ(second.minute.balance, first.minute.balance);
}

TEST_F(LeaseMonth, TheKeyIsKeptForSomeDaysAfterTheMonth) {
  call("a", 1, {});
  const int64_t left_ms = std::stoll(redis_.run({"PTTL", month_key(kMonth)}));
  const int64_t due_ms = (int64_t{kMonth.period} + 40) * 86'400'000 - (kStart + us_) / 1000;
  EXPECT_LE(left_ms, due_ms);
  EXPECT_GE(left_ms, due_ms - 60'000);
}

// Resets -----------------------------------------------------------------------------------------

TEST_F(LeaseMonth, AResetForgetsWhatWasSpentAndKeepsLeasesOut) {
  call("a", 1, {.want = 10'000, .minute = 60'000, .minute_want = 8'000});
  call("a", 2, {.used = 6'000, .minute = 60'000, .spent = 5'000});
  redis_.reset(kMonth);
  EXPECT_EQ(left(), 160'000 - 4'000);
  EXPECT_EQ(redis_.minute(kMonth.subject).level, 60'000 - 3'000);
  // Sums that go on from where they were are not counted anew.
  call("a", 3, {.used = 7'000, .minute = 60'000, .spent = 6'000});
  EXPECT_EQ(left(), 160'000 - 4'000);
  EXPECT_EQ(redis_.minute(kMonth.subject).level, 57'000);
}

TEST_F(LeaseMonth, AResetDoesNotHoldBackALeaseThatHasEnded) {
  call("a", 1, {.minute = 60'000, .minute_want = 30'000});
  us_ += 2 * kSecond;
  redis_.set_clock(kStart + us_);
  redis_.reset(kMonth);
  EXPECT_EQ(call("b", 1, {.minute = 60'000}).minute.level, 60'000);
}

TEST_F(LeaseMonth, AResetBeginsTheMinuteNow) {
  call("a", 1, {.minute = 60'000});
  us_ += 20 * kSecond;
  redis_.set_clock(kStart + us_);
  redis_.reset(kMonth);
  us_ += kSecond;
  EXPECT_EQ(call("a", 2, {.minute = 60'000}).minute.level, 61'000);
}

TEST_F(LeaseMonth, AResetOfWhatIsNotThereMakesNothing) {
  redis_.reset(kMonth);
  EXPECT_TRUE(redis_.hash(month_key(kMonth)).empty());
  EXPECT_TRUE(redis_.hash(minute_key(kMonth.subject)).empty());
}

}  // namespace
}  // namespace quota::store
