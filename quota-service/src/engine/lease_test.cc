// How the engine lives with leases, against a store that says what the test tells it to.
#include <gtest/gtest.h>

#include <vector>

#include "engine/engine.h"
#include "engine/fake_store.h"

namespace quota::engine {
namespace {

constexpr int64_t kSecond = 1'000'000;

class SharedStore final : public Store {
 public:
  void start(GrantSink* sink) override { sink_ = sink; }
  void reserve(Reserve request) override { asked.push_back(std::move(request)); }
  void settle(MonthKey, int64_t used) override { settled.push_back(used); }
  void spend(MonthKey, int64_t amount) override { settled.push_back(amount); }
  void journal(MonthKey, int64_t used, bool) override { journalled.push_back(used); }
  void reset(MonthKey) override {}
  bool is_shared() const override { return true; }
  int engines() const override { return engines_now; }
  bool healthy() const override { return is_healthy; }

  // Answers the newest call: so much is the balance now, and so much is left.
  void grant(Now now, MinuteGrant minute, int64_t month_mark = 0) {
    const Reserve& last = asked.back();
    sink_->on_grants({{.month = last.month,
                       .used = std::max<int64_t>(last.used, 0),
                       .mark = month_mark,
                       .ok = true,
                       .seq = last.seq,
                       .has_month = last.limit != -1,
                       .has_minute = last.minute.limit != -1,
                       .minute = minute,
                       .sent_us = now.mono_us}},
                     now);
  }
  void fail(Now now) {
    sink_->on_grants({{.month = asked.back().month, .seq = asked.back().seq}}, now);
  }

  std::vector<Reserve> asked;
  std::vector<int64_t> settled, journalled;
  int engines_now = 1;
  bool is_healthy = true;

 private:
  GrantSink* sink_ = nullptr;
};

class Leases : public testing::Test {
 protected:
  Leases() { store_.start(&engine_); }

  // Empty while the check waits; then the answer is in answers_.
  std::optional<Decision> decide(int64_t cost = 1000) {
    charge_.cost = cost;
    Decision decision;
    const bool decided = engine_.decide(charge_, now_, decision, [&] {
      return std::make_unique<RecordingWaiter>(charge_, answers_);
    });
    return decided ? std::optional(decision) : std::nullopt;
  }
  bool is_allowed() {
    const auto decision = decide();
    EXPECT_TRUE(decision.has_value());
    return decision && decision->outcome == Outcome::kAllowed;
  }
  int allowed_of(int checks) {
    int allowed = 0;
    for (int i = 0; i < checks; ++i) allowed += is_allowed() ? 1 : 0;
    return allowed;
  }
  void pass(int64_t us) {
    now_.mono_us += us;
    now_.unix_us += us;
  }

  SharedStore store_;
  Engine engine_{{.lease_ttl_us = 2 * kSecond}, store_};
  Now now_{.mono_us = 10 * kSecond, .unix_us = 1'795'132'800LL * kSecond};
  Charge charge_{.subject = "c:acme", .limits = {60'000, -1}};
  Answers answers_;
};

TEST_F(Leases, AColdSubjectAsksForWhatItNeedsAndWaits) {
  EXPECT_FALSE(decide());
  ASSERT_EQ(store_.asked.size(), 1U);
  EXPECT_EQ(store_.asked[0].minute.least, 1000);
  EXPECT_EQ(store_.asked[0].minute.want, 1000);
  store_.grant(now_, {.balance = 1000, .level = 59'000});
  ASSERT_EQ(answers_.decisions.size(), 1U);
  EXPECT_EQ(answers_.decisions[0].outcome, Outcome::kAllowed);
  EXPECT_EQ(answers_.decisions[0].minute.remaining, 59'000);
}

TEST_F(Leases, ALeaseIsSpentWithoutAskingUpToItsDeadline) {
  EXPECT_FALSE(decide());
  store_.grant(now_, {.balance = 5000, .level = 55'000});
  EXPECT_TRUE(is_allowed());
  // 2 % before the end of the lease, counted from when the call was sent.
  pass(2 * kSecond - kSecond / 25 - 1);
  EXPECT_TRUE(is_allowed());
  pass(1);
  EXPECT_FALSE(decide()) << "a lease was spent after its deadline";
}

TEST_F(Leases, WhatWasSpentWhileACallWasUnderWayIsNotGrantedTwice) {
  EXPECT_FALSE(decide());
  store_.grant(now_, {.balance = 3000, .level = 57'000});
  EXPECT_FALSE(decide(4000));  // asks for more
  EXPECT_TRUE(is_allowed());
  store_.grant(now_, {.balance = 4000, .level = 55'000});
  // 4000 as the store sees it, 1000 of them spent since: the check of 4000 has to wait on.
  EXPECT_EQ(answers_.decisions.size(), 1U);
}

TEST_F(Leases, SpendingOfALeaseThatHadEndedIsForgottenWithIt) {
  EXPECT_FALSE(decide());
  store_.grant(now_, {.balance = 3000, .level = 57'000});
  EXPECT_FALSE(decide(4000));
  EXPECT_TRUE(is_allowed());  // of the old lease, after the call was sent
  store_.grant(now_, {.balance = 4000, .level = 55'000, .burned = true});
  EXPECT_EQ(answers_.decisions.size(), 2U) << "the new lease is whole";
  const int64_t reported = store_.asked.back().minute.spent;
  EXPECT_FALSE(decide());
  EXPECT_EQ(store_.asked.back().minute.spent, reported + 4000);
}

TEST_F(Leases, ADenialIsBelievedForAWhileAndTakesNothing) {
  EXPECT_FALSE(decide());
  store_.grant(now_, {.balance = 0, .level = 400, .retry_us = 600'000});
  EXPECT_EQ(answers_.decisions[0].reason, Reason::kMinute);
  EXPECT_GE(answers_.decisions[0].retry_after_us, 590'000);
  EXPECT_EQ(allowed_of(100), 0);
  EXPECT_EQ(store_.asked.size(), 1U);
  pass(200'000);
  EXPECT_FALSE(decide()) << "others may have given back";
  EXPECT_EQ(store_.asked.back().minute.spent, 0);
}

TEST_F(Leases, WhatLiesIdleIsGivenBack) {
  EXPECT_FALSE(decide());
  store_.grant(now_, {.balance = 5000, .level = 55'000});
  pass(kSecond);
  engine_.tend(now_);
  ASSERT_EQ(store_.asked.size(), 2U);
  EXPECT_EQ(store_.asked[1].minute.returned, 3000) << "one was spent in a second; one is kept";
  EXPECT_EQ(store_.asked[1].minute.want, 1000);
  store_.grant(now_, {.balance = 1000, .level = 58'000});
  pass(kSecond);
  engine_.tend(now_);
  ASSERT_EQ(store_.asked.size(), 3U);
  EXPECT_EQ(store_.asked[2].minute.returned, 1000);
  EXPECT_FALSE(decide()) << "it was given back, and spent all the same";
}

TEST_F(Leases, AtTheEndEverythingIsGivenBack) {
  EXPECT_FALSE(decide());
  store_.grant(now_, {.balance = 5000, .level = 55'000});
  engine_.close(now_);
  EXPECT_EQ(store_.asked.back().minute.returned, 4000);
  EXPECT_EQ(store_.asked.back().minute.spent, 1000);
}

TEST_F(Leases, WithoutTheStoreTheLiveLeaseIsSpentFirst) {
  EXPECT_FALSE(decide());
  store_.grant(now_, {.balance = 5000, .level = 55'000});
  store_.is_healthy = false;
  for (int i = 0; i < 4; ++i) {
    const auto decision = decide();
    EXPECT_EQ(decision->outcome, Outcome::kAllowed);
    EXPECT_FALSE(decision->degraded);
  }
  EXPECT_TRUE(decide()->degraded);
}

TEST_F(Leases, TheLocalShareBeginsEmptyAndRefillsAtThePartOfOneEngine) {
  store_.is_healthy = false;
  store_.engines_now = 3;
  EXPECT_EQ(allowed_of(100), 0);
  pass(3 * kSecond);  // 60 a minute, a third of it
  EXPECT_EQ(allowed_of(100), 1);
  pass(30 * kSecond);
  EXPECT_EQ(allowed_of(100), 10);
}

TEST_F(Leases, AnotherNumberOfEnginesMakesNoTokens) {
  store_.is_healthy = false;
  store_.engines_now = 3;
  EXPECT_EQ(allowed_of(10), 0);
  store_.engines_now = 1;
  EXPECT_EQ(allowed_of(10), 0);
  store_.engines_now = 3;
  EXPECT_EQ(allowed_of(10), 0);
  pass(30 * kSecond);
  EXPECT_EQ(allowed_of(100), 10);
}

TEST_F(Leases, EachOutageBeginsWithAnEmptyShare) {
  store_.is_healthy = false;
  EXPECT_EQ(allowed_of(10), 0);
  store_.is_healthy = true;
  pass(kSecond);
  EXPECT_FALSE(decide());
  store_.grant(now_, {.balance = 1000, .level = 59'000});
  pass(60 * kSecond);
  store_.is_healthy = false;
  EXPECT_EQ(allowed_of(10), 0);
}

TEST_F(Leases, WhatIsSpentOnCreditIsOwedUntilTheStoreKnows) {
  charge_.store_lost = policy::StoreLost::kAllow;
  charge_.limits.month = 1'000'000;
  store_.is_healthy = false;
  EXPECT_EQ(allowed_of(7), 7);
  ASSERT_EQ(store_.journalled.size(), 1U) << "ahead of what is spent, so that nobody waits";
  EXPECT_GE(store_.journalled.back(), 7000);
  EXPECT_LE(store_.journalled.back(), 1'000'000 / 16);
  store_.is_healthy = true;
  EXPECT_FALSE(decide());
  EXPECT_EQ(store_.asked.back().minute.debt, 7000);
  store_.grant(now_, {.balance = 1000, .level = 0}, 8000);
  EXPECT_FALSE(decide());
  EXPECT_EQ(store_.asked.back().minute.debt, 0);
  EXPECT_EQ(store_.asked.back().used, 8000);
}

TEST_F(Leases, WhatIsOwedIsToldAsSoonAsTheStoreIsBack) {
  charge_.store_lost = policy::StoreLost::kAllow;
  charge_.limits.month = 1'000'000;
  store_.is_healthy = false;
  EXPECT_EQ(allowed_of(7), 7);
  engine_.tend(now_);
  EXPECT_TRUE(store_.asked.empty());
  store_.is_healthy = true;
  engine_.tend(now_);
  ASSERT_EQ(store_.asked.size(), 1U) << "nobody has to ask for the subject";
  EXPECT_EQ(store_.asked[0].used, -1) << "its count was never seen";
  store_.grant(now_, {}, 0);
  engine_.tend(now_);
  ASSERT_EQ(store_.asked.size(), 2U);
  EXPECT_EQ(store_.asked[1].used, 7000);
  store_.grant(now_, {}, 7000);
  engine_.tend(now_);
  EXPECT_EQ(store_.asked.size(), 2U) << "once";
}

TEST_F(Leases, CreditThatTheAnsweredCallDidNotSpeakOfStaysJournalled) {
  charge_.store_lost = policy::StoreLost::kAllow;
  charge_.limits.month = 1'000'000;
  EXPECT_FALSE(decide());
  store_.grant(now_, {.balance = 1000, .level = 59'000}, 1000);
  EXPECT_FALSE(decide());  // the call is under way, and slow
  pass(10'000);
  engine_.tend(now_);
  EXPECT_EQ(allowed_of(5), 5) << "on credit";
  const size_t before = store_.journalled.size();
  store_.grant(now_, {.balance = 0, .level = 0}, 1000);
  ASSERT_GT(store_.journalled.size(), before) << "the answer has made the old entry void";
  EXPECT_GE(store_.journalled.back(), 7000);
}

TEST_F(Leases, ADeniedCheckWithoutTheStoreSaysSo) {
  charge_.store_lost = policy::StoreLost::kDeny;
  store_.is_healthy = false;
  const auto decision = decide();
  EXPECT_EQ(decision->reason, Reason::kStoreUnavailable);
  EXPECT_TRUE(decision->degraded);
}

TEST_F(Leases, ASubjectWhoseCallFailedIsNotAskedForAgainAtOnce) {
  charge_.store_lost = policy::StoreLost::kDeny;
  EXPECT_FALSE(decide());
  store_.fail(now_);
  EXPECT_EQ(answers_.decisions[0].reason, Reason::kStoreUnavailable);
  EXPECT_TRUE(decide().has_value());
  pass(150'000);
  EXPECT_FALSE(decide());
}

}  // namespace
}  // namespace quota::engine
