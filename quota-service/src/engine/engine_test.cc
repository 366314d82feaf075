#include "engine/engine.h"

#include <gtest/gtest.h>

#include "engine/fake_store.h"

namespace quota::engine {
namespace {

using policy::Limits;
using policy::Mode;
using policy::StoreLost;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kUnit = 1'000;
constexpr int64_t kNovember20 = 1'795'132'800 * kSecond;  // 2026-11-20 00:00 UTC
constexpr int64_t kDecember1 = 1'796'083'200 * kSecond;

class EngineTest : public testing::Test {
 protected:
  explicit EngineTest(EngineOptions options = {}) : engine_(options, store_) {
    store_.start(&engine_);
  }

  static Charge free_tier(std::string_view subject = "c:acme") {
    return {.subject = subject, .limits = {100 * kUnit, 50'000 * kUnit}, .cost = kUnit};
  }
  static Charge anonymous(std::string_view subject) {
    return {.subject = subject,
            .anonymous = true,
            .limits = {30 * kUnit, Limits::kNone},
            .cost = kUnit};
  }

  // Decides, letting the store answer if it is asked.
  Decision decide(const Charge& charge) {
    Decision decision;
    Answers answers;
    if (engine_.decide(charge, now_, decision, waiter(charge, answers))) return decision;
    store_.answer(now_);
    EXPECT_EQ(answers.decisions.size(), 1u);
    return answers.decisions.empty() ? Decision{} : answers.decisions[0];
  }
  // Without an answer of the store: false when the check waits.
  bool try_decide(const Charge& charge, Answers& answers) {
    Decision decision;
    if (!engine_.decide(charge, now_, decision, waiter(charge, answers))) return false;
    answers.decisions.push_back(decision);
    return true;
  }
  int allowed_of(int checks, const Charge& charge) {
    int allowed = 0;
    for (int i = 0; i < checks; ++i) allowed += decide(charge).outcome == Outcome::kAllowed;
    return allowed;
  }
  void pass(int64_t us) {
    now_.mono_us += us;
    now_.unix_us += us;
  }
  int64_t mark(const std::string& subject) {
    int64_t most = 0;
    for (const auto& [key, value] : store_.marks) {
      if (key.first == subject) most = std::max(most, value);
    }
    return most;
  }

  Now now_{.mono_us = 1'000 * kSecond, .unix_us = kNovember20};
  FakeStore store_;
  Engine engine_;

 private:
  static std::function<std::unique_ptr<Waiter>()> waiter(const Charge& charge, Answers& answers) {
    return [&charge, &answers] { return std::make_unique<RecordingWaiter>(charge, answers); };
  }
};

TEST_F(EngineTest, ANewFreeUserGets100OutOf150) { EXPECT_EQ(allowed_of(150, free_tier()), 100); }

TEST_F(EngineTest, ADearEndpointGets50OutOf150) {
  Charge charge = free_tier();
  charge.cost = 2 * kUnit;
  EXPECT_EQ(allowed_of(150, charge), 50);
}

TEST_F(EngineTest, AfterTwoIdleMinutesAFreeBucketHolds150AndNeverMore) {
  decide(free_tier());
  pass(120 * kSecond);
  EXPECT_EQ(allowed_of(400, free_tier()), 150);
}

TEST_F(EngineTest, HitsThatNeverFitAreNamedAsSuch) {
  Charge charge = free_tier();
  charge.cost = 151 * kUnit;
  const Decision decision = decide(charge);
  EXPECT_EQ(decision.outcome, Outcome::kDenied);
  EXPECT_EQ(decision.reason, Reason::kCostExceedsLimit);
  EXPECT_EQ(allowed_of(150, free_tier()), 100) << "the denial took something";
}

TEST_F(EngineTest, ADenialTakesNothingFromAnyLimit) {
  ASSERT_EQ(allowed_of(100, free_tier()), 100);
  const Decision denied = decide(free_tier());
  EXPECT_EQ(denied.reason, Reason::kMinute);
  EXPECT_EQ(denied.month.remaining, 49'900 * kUnit);
  EXPECT_EQ(denied.retry_after_us, 600'000);
  pass(600'000);
  EXPECT_EQ(decide(free_tier()).outcome, Outcome::kAllowed);
}

TEST_F(EngineTest, PeekAnswersAndTakesNothing) {
  Charge peek = free_tier();
  peek.peek = true;
  for (int i = 0; i < 200; ++i) {
    const Decision decision = decide(peek);
    EXPECT_EQ(decision.outcome, Outcome::kAllowed);
    EXPECT_EQ(decision.minute.remaining, 100 * kUnit);
  }
  EXPECT_EQ(allowed_of(150, free_tier()), 100);
}

TEST_F(EngineTest, NeitherAPeekNorADenialUnderLowerLimitsTakesWhatWasSaved) {
  decide(free_tier());
  pass(120 * kSecond);
  Charge elsewhere = free_tier();
  elsewhere.limits.minute = 10 * kUnit;
  elsewhere.peek = true;
  EXPECT_EQ(decide(elsewhere).outcome, Outcome::kAllowed);
  elsewhere.peek = false;
  elsewhere.cost = 20 * kUnit;
  EXPECT_EQ(decide(elsewhere).outcome, Outcome::kDenied);
  EXPECT_EQ(allowed_of(200, free_tier()), 150);
}

TEST_F(EngineTest, TheMonthIsNamedAndWaitedForWhenItIsSpent) {
  Charge charge = free_tier();
  charge.limits.month = 10 * kUnit;
  EXPECT_EQ(allowed_of(20, charge), 10);
  const Decision denied = decide(charge);
  EXPECT_EQ(denied.reason, Reason::kMonth);
  EXPECT_EQ(denied.retry_after_us, kDecember1 - now_.unix_us);
  EXPECT_EQ(denied.month.reset_unix_us, kDecember1);
  EXPECT_EQ(denied.month.window_s, 30 * 86'400);
  EXPECT_EQ(denied.minute.remaining, 90 * kUnit) << "all or nothing";
}

TEST_F(EngineTest, ANewMonthStartsAtTheBillingDay) {
  Charge charge = free_tier();
  charge.limits.month = 10 * kUnit;
  charge.billing_day = 25;
  EXPECT_EQ(allowed_of(20, charge), 10);
  pass(5 * 86'400 * kSecond - 1);
  EXPECT_EQ(decide(charge).reason, Reason::kMonth);
  pass(1);
  EXPECT_EQ(allowed_of(20, charge), 10);
}

TEST_F(EngineTest, WhatIsFetchedAheadIsDecidedAsWhatIsNot) {
  Charge charge = free_tier();
  for (int i = 0; i < 200; ++i) {
    charge.hash = i % 2 == 0 ? 0 : Engine::hash_of(charge.subject);
    if (charge.hash != 0) {
      engine_.prefetch_index(charge);
      engine_.prefetch_record(charge);
    }
    EXPECT_EQ(decide(charge).outcome, i < 100 ? Outcome::kAllowed : Outcome::kDenied);
  }
  EXPECT_EQ(engine_.stats().consumers, 1);
}

TEST_F(EngineTest, AnUnlimitedTierHasNoLimitsAndNoState) {
  const Charge charge{.subject = "c:big", .limits = {}, .cost = kUnit};
  const Decision decision = decide(charge);
  EXPECT_EQ(decision.reason, Reason::kUnlimited);
  EXPECT_LT(decision.minute.limit, 0);
  EXPECT_LT(decision.month.limit, 0);
  EXPECT_EQ(engine_.stats().consumers, 0);
}

TEST_F(EngineTest, ShadowAllowsAndSaysWhatItWouldHaveDone) {
  Charge charge = free_tier();
  charge.mode = Mode::kShadow;
  EXPECT_EQ(allowed_of(150, charge), 150);
  const Decision decision = decide(charge);
  EXPECT_TRUE(decision.shadow);
  EXPECT_EQ(decision.reason, Reason::kMinute);
  EXPECT_EQ(decision.month.remaining, 49'900 * kUnit) << "a shadow denial takes nothing";
}

TEST_F(EngineTest, OffAllowsEverythingAndCountsNothing) {
  Charge charge = free_tier();
  charge.mode = Mode::kOff;
  EXPECT_EQ(allowed_of(150, charge), 150);
  EXPECT_EQ(decide(charge).reason, Reason::kOff);
  EXPECT_EQ(engine_.stats().consumers, 0);
}

TEST_F(EngineTest, AChangedLimitTakesEffectAtTheNextCheckAndKeepsWhatIsUsed) {
  EXPECT_EQ(allowed_of(60, free_tier()), 60);
  Charge raised = free_tier();
  raised.limits.minute = 200 * kUnit;
  EXPECT_EQ(decide(raised).minute.remaining, 139 * kUnit);
  Charge lowered = free_tier();
  lowered.limits.minute = 50 * kUnit;
  EXPECT_EQ(decide(lowered).reason, Reason::kMinute);
}

TEST_F(EngineTest, ALimitThatComesAndGoesWithTheRequestGivesNoFreshBucket) {
  Charge limited{.subject = "c:big", .limits = {10 * kUnit, Limits::kNone}, .cost = kUnit};
  Charge month_only{.subject = "c:big", .limits = {Limits::kNone, 1'000 * kUnit}, .cost = kUnit};
  int allowed = 0;
  for (int i = 0; i < 30; ++i) {
    allowed += decide(limited).outcome == Outcome::kAllowed;
    decide(month_only);
  }
  EXPECT_EQ(allowed, 10);
}

TEST_F(EngineTest, NothingIsSpentBeforeTheStoreHasRecordedIt) {
  Answers answers;
  EXPECT_FALSE(try_decide(free_tier(), answers));
  EXPECT_TRUE(answers.decisions.empty());
  store_.answer(now_);
  ASSERT_EQ(answers.decisions.size(), 1u);
  EXPECT_GE(mark("c:acme"), kUnit);
  for (int spent = 1; spent < 100;) {
    Answers more;
    if (!try_decide(free_tier(), more)) store_.answer(now_);
    ++spent;
    ASSERT_GE(mark("c:acme"), spent * kUnit);
  }
}

TEST_F(EngineTest, ABusySubjectStopsWaitingForTheStore) {
  Charge charge = free_tier();
  charge.limits = {Limits::kNone, 100'000'000 * kUnit};
  int waits = 0;
  for (int i = 0; i < 10'000; ++i) {
    Answers answers;
    if (!try_decide(charge, answers)) ++waits;
    if (i % 8 == 0) store_.answer(now_);
    store_.answer(now_);
    pass(100);
  }
  EXPECT_LE(waits, 3);
  EXPECT_LE(store_.reserves(), 100u) << "the grants do not grow with the demand";
}

TEST_F(EngineTest, ACrashCostsAtMostASixteenthOfWhatRemains) {
  Charge charge = free_tier();
  charge.limits = {Limits::kNone, 10'000 * kUnit};
  int64_t used = 0;
  while (true) {
    if (decide(charge).outcome != Outcome::kAllowed) break;
    used += kUnit;
    store_.answer(now_);
    const int64_t lost = mark("c:acme") - used;
    ASSERT_GE(lost, 0);
    ASSERT_LE(lost, (charge.limits.month - used) / 16 + kUnit);
  }
  EXPECT_EQ(used, charge.limits.month);
}

TEST_F(EngineTest, ThoseWhoWaitTogetherAreServedInOrderAndOnlyWhatTheMonthHolds) {
  Charge charge = free_tier();
  charge.limits.month = 50 * kUnit;
  Answers answers;
  for (int i = 0; i < 80; ++i) EXPECT_FALSE(try_decide(charge, answers));
  store_.answer(now_);
  ASSERT_EQ(answers.decisions.size(), 80u);
  for (size_t i = 0; i < 80; ++i) {
    EXPECT_EQ(answers.decisions[i].outcome, i < 50 ? Outcome::kAllowed : Outcome::kDenied) << i;
  }
  EXPECT_LE(store_.reserves(), 4u);
}

class StoreLostTest : public EngineTest {
 protected:
  StoreLostTest() : EngineTest({.store_timeout_us = 5'000}) {}
};

TEST_F(StoreLostTest, AWaiterIsAnsweredWhenItsTimeIsUp) {
  Answers answers;
  ASSERT_FALSE(try_decide(free_tier(), answers));
  pass(4'999);
  engine_.tend(now_);
  EXPECT_TRUE(answers.decisions.empty());
  pass(1);
  engine_.tend(now_);
  ASSERT_EQ(answers.decisions.size(), 1u);
  EXPECT_EQ(answers.decisions[0].outcome, Outcome::kAllowed);
  EXPECT_TRUE(answers.decisions[0].degraded);
  Answers next;
  EXPECT_TRUE(try_decide(free_tier(), next)) << "nobody waits twice for an answer that is overdue";
}

TEST_F(StoreLostTest, DenyRefusesWithoutCountingAnything) {
  Charge charge = free_tier();
  charge.store_lost = StoreLost::kDeny;
  store_.set_healthy(false);
  const Decision decision = decide(charge);
  EXPECT_EQ(decision.outcome, Outcome::kDenied);
  EXPECT_EQ(decision.reason, Reason::kStoreUnavailable);
  EXPECT_TRUE(decision.degraded);
  EXPECT_GE(decision.retry_after_us, kSecond);
  store_.set_healthy(true);
  EXPECT_EQ(allowed_of(150, charge), 100);
}

TEST_F(StoreLostTest, WhatIsSpentOnCreditIsCountedWhenTheStoreIsBack) {
  store_.marks[{"c:acme", static_cast<int32_t>(1'793'491'200 / 86'400)}] = 49'990 * kUnit;
  store_.set_healthy(false);
  EXPECT_EQ(allowed_of(7, free_tier()), 7);
  store_.set_healthy(true);
  EXPECT_EQ(allowed_of(20, free_tier()), 3);
}

TEST_F(StoreLostTest, CreditReachesTheStoreAtACleanStopEvenIfItsCountWasNeverSeen) {
  const std::pair<std::string, int32_t> key{"c:acme", static_cast<int32_t>(1'793'491'200 / 86'400)};
  store_.marks[key] = 500 * kUnit;
  store_.set_healthy(false);
  EXPECT_EQ(allowed_of(7, free_tier()), 7);
  engine_.close(now_);
  store_.answer(now_);
  EXPECT_EQ(store_.marks[key], 507 * kUnit);
}

TEST_F(StoreLostTest, AFailedReserveIsDecidedAtOnceAndAskedAgainLater) {
  store_.set_failing(true);
  EXPECT_TRUE(decide(free_tier()).degraded);
  store_.set_failing(false);
  const Decision healthy = decide(free_tier());
  EXPECT_FALSE(healthy.degraded);
  EXPECT_EQ(healthy.month.remaining, 49'998 * kUnit);
}

TEST_F(EngineTest, ResetGivesAFullMinuteAndAnEmptyMonth) {
  Charge charge = free_tier();
  charge.limits.month = 100 * kUnit;
  EXPECT_EQ(allowed_of(150, charge), 100);
  engine_.reset("c:acme", false, 1, now_);
  store_.answer(now_);
  EXPECT_EQ(mark("c:acme"), 0);
  EXPECT_EQ(allowed_of(150, charge), 100);
}

TEST_F(EngineTest, AGrantThatWasUnderWayDuringAResetDoesNotCount) {
  Charge charge = free_tier();
  Answers answers;
  ASSERT_FALSE(try_decide(charge, answers));
  engine_.reset("c:acme", false, 1, now_);
  store_.answer(now_);
  ASSERT_EQ(answers.decisions.size(), 1u);
  EXPECT_EQ(allowed_of(150, charge), 99);
  EXPECT_GE(mark("c:acme"), 100 * kUnit) << "spent beyond what the store knows";
}

TEST_F(EngineTest, AResetReachesASubjectThatIsNotInMemory) {
  store_.marks[{"c:acme", static_cast<int32_t>(1'793'491'200 / 86'400)}] = 50'000 * kUnit;
  engine_.reset("c:acme", false, 1, now_);
  store_.answer(now_);
  EXPECT_EQ(decide(free_tier()).month.remaining, 49'999 * kUnit);
}

TEST_F(EngineTest, ACleanStopIsExactMinuteBucketsIncluded) {
  ASSERT_EQ(allowed_of(70, free_tier()), 70);
  const std::vector<SavedBucket> saved = engine_.close(now_);
  store_.answer(now_);
  EXPECT_EQ(mark("c:acme"), 70 * kUnit);

  Engine next({}, store_);
  store_.start(&next);
  next.restore(saved, now_);
  Charge peek = free_tier();
  peek.peek = true;
  Decision decision;
  Answers answers;
  if (!next.decide(peek, now_, decision,
                   [&] { return std::make_unique<RecordingWaiter>(peek, answers); })) {
    store_.answer(now_);
    decision = answers.decisions.at(0);
  }
  EXPECT_EQ(decision.minute.remaining, 30 * kUnit);
  EXPECT_EQ(decision.month.remaining, 49'930 * kUnit);
}

class SmallEngineTest : public EngineTest {
 protected:
  SmallEngineTest()
      : EngineTest({.max_subjects = 4, .max_anonymous = 4, .idle_retention_us = 3600 * kSecond}) {}
};

TEST_F(SmallEngineTest, AFloodOfAddressesPushesNoConsumerOut) {
  ASSERT_EQ(allowed_of(100, free_tier()), 100);
  for (int i = 0; i < 1'000; ++i) decide(anonymous("a:" + std::to_string(i)));
  EXPECT_EQ(decide(free_tier()).reason, Reason::kMinute);
  EXPECT_EQ(engine_.stats().anonymous, 4);
}

TEST_F(SmallEngineTest, AtTheCapNewcomersAreRefusedUntilSomebodyMayBeForgotten) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(allowed_of(30, anonymous("a:" + std::to_string(i))), 30);
  const Decision refused = decide(anonymous("a:new"));
  EXPECT_EQ(refused.reason, Reason::kCapacity);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(decide(anonymous("a:" + std::to_string(i))).reason, Reason::kMinute);
  }
  pass(60 * kSecond);
  EXPECT_EQ(decide(anonymous("a:new")).outcome, Outcome::kAllowed);
}

TEST_F(SmallEngineTest, OfMoreBucketsThanFitAsManyAsFitAreTakenUp) {
  std::vector<SavedBucket> saved;
  for (int i = 0; i < 9; ++i) {
    saved.push_back({"c:" + std::to_string(i), false, 100 * kUnit, 0, now_.unix_us});
  }
  engine_.restore(saved, now_);
  EXPECT_EQ(engine_.stats().consumers, 4);
  EXPECT_EQ(decide(free_tier("c:0")).reason, Reason::kMinute);
}

TEST_F(SmallEngineTest, InShadowModeNotEvenTheCapRefuses) {
  for (int i = 0; i < 4; ++i) allowed_of(30, anonymous("a:" + std::to_string(i)));
  Charge newcomer = anonymous("a:new");
  newcomer.mode = Mode::kShadow;
  const Decision decision = decide(newcomer);
  EXPECT_EQ(decision.outcome, Outcome::kAllowed);
  EXPECT_TRUE(decision.shadow);
  EXPECT_EQ(decision.reason, Reason::kCapacity);
}

TEST_F(SmallEngineTest, AForgottenConsumerKeepsItsMonth) {
  Charge charge = free_tier();
  charge.limits.month = 100 * kUnit;
  ASSERT_EQ(allowed_of(40, charge), 40);
  pass(60 * kSecond);
  for (int i = 0; i < 50; ++i) {
    Charge other = free_tier("c:other");
    const std::string name = "c:" + std::to_string(i);
    other.subject = name;
    decide(other);
    pass(kSecond);
  }
  store_.answer(now_);
  EXPECT_EQ(mark("c:acme"), 40 * kUnit) << "the rest of the mark was not given back";
  EXPECT_EQ(decide(charge).month.remaining, 59 * kUnit);
  EXPECT_LE(engine_.stats().consumers, 4);
}

TEST_F(SmallEngineTest, IdleSubjectsLeaveAfterTheRetentionAndNotBefore) {
  decide(free_tier());
  decide(anonymous("a:1"));
  pass(3599 * kSecond);
  engine_.tend(now_);
  EXPECT_EQ(engine_.stats().consumers, 1);
  pass(2 * kSecond);
  engine_.tend(now_);
  EXPECT_EQ(engine_.stats().consumers, 0);
  EXPECT_EQ(engine_.stats().anonymous, 0);
  store_.answer(now_);
  EXPECT_EQ(mark("c:acme"), kUnit);
}

TEST_F(EngineTest, ANewMonthIsNotServedByTheGrantOfTheOld) {
  Charge charge = free_tier();
  charge.limits.month = 10 * kUnit;
  now_.unix_us = kDecember1 - kSecond;
  Answers answers;
  ASSERT_FALSE(try_decide(charge, answers));
  pass(2 * kSecond);  // the grant arrives in the next month
  store_.answer(now_);
  ASSERT_EQ(answers.decisions.size(), 1u);
  EXPECT_EQ(answers.decisions[0].outcome, Outcome::kAllowed);
  EXPECT_EQ(allowed_of(20, charge), 9);
  const int32_t december = static_cast<int32_t>(kDecember1 / (86'400 * kSecond));
  EXPECT_EQ((store_.marks[{"c:acme", december}]), 10 * kUnit);
}

}  // namespace
}  // namespace quota::engine
