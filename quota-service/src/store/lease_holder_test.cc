// Engines and the lease script together, case by case.
#include <gtest/gtest.h>

#include <random>

#include "store/lease_world.h"

namespace quota::store {
namespace {

using engine::Charge;
using engine::EngineOptions;
using policy::StoreLost;

const std::string kSubject = "c:acme";

Charge per_minute(int64_t limit) {
  return {
      .subject = kSubject, .limits = {limit, -1}, .cost = 1'000, .store_lost = StoreLost::kDeny};
}

Charge per_month(int64_t quota) {
  Charge charge = per_minute(-1);
  charge.limits.month = quota;
  return charge;
}

void tend_all(World& world) {
  for (size_t i = 0; i < world.size(); ++i) {
    world[i].tend();
    world[i].serve();
  }
}

MonthState month_of(World& world) {
  return world.redis.month({kSubject, engine::period_at(world.us, 1).start_day});
}

// The acceptance of a fresh subject ---------------------------------------------------------------

enum class Order { kInTurn, kShuffled, kOneAfterTheOther };

int64_t allowed_of(World& world, const Charge& charge, int requests, Order order) {
  std::mt19937 random{7};
  for (int i = 0; i < requests; ++i) {
    world.pass(1'000);
    size_t who = static_cast<size_t>(i);
    if (order == Order::kShuffled) who = random();
    if (order == Order::kOneAfterTheOther) {
      who = static_cast<size_t>(i) * world.size() / static_cast<size_t>(requests);
    }
    world[who % world.size()].ask(charge);
    world[who % world.size()].serve();
  }
  return world.allowed_milli() / 1'000;
}

TEST(LeaseHolder, OneQuotadAllowsExactlyTheLimit) {
  for (const bool exact : {false, true}) {
    World world(1, {.exact = exact});
    EXPECT_EQ(allowed_of(world, per_minute(100'000), 150, Order::kInTurn), 100) << exact;
    EXPECT_EQ(world.violation(), "");
  }
}

TEST(LeaseHolder, ThreeQuotadsTogetherAllowExactlyTheLimit) {
  for (const bool exact : {false, true}) {
    for (const Order order : {Order::kInTurn, Order::kShuffled}) {
      World world(3, {.exact = exact});
      EXPECT_EQ(allowed_of(world, per_minute(100'000), 150, order), 100)
          << exact << static_cast<int>(order);
      EXPECT_EQ(world.violation(), "");
    }
  }
}

TEST(LeaseHolder, InExactModeNothingLiesIdleWhoeverIsAsked) {
  World world(3, {.exact = true});
  EXPECT_EQ(allowed_of(world, per_minute(100'000), 150, Order::kOneAfterTheOther), 100);
  EXPECT_EQ(world.violation(), "");
}

TEST(LeaseHolder, AMonthIsAllowedToItsLastTokenAlthoughOthersHoldSomeOfIt) {
  for (const bool exact : {false, true}) {
    World world(3, {.exact = exact});
    for (int i = 0; i < 30; ++i) {
      world[static_cast<size_t>(i) % 3].ask(per_month(50'000));
      world[static_cast<size_t>(i) % 3].serve();
    }
    // From now on only one of them is asked.
    for (int i = 0; i < 200; ++i) {
      world.pass(50'000);
      tend_all(world);
      world[0].ask(per_month(50'000));
      world[0].serve();
    }
    EXPECT_EQ(world.allowed_milli(), 50'000) << exact;
    EXPECT_EQ(world.violation(), "");
  }
}

// Leases ------------------------------------------------------------------------------------------

TEST(LeaseHolder, ALeaseEndsATtlAfterTheCallLeftNotAfterTheAnswerCame) {
  for (const bool in_time : {true, false}) {
    World world(1);
    world[0].ask(per_minute(60'000));
    world[0].send();
    world[0].execute(0);
    world.pass(in_time ? 1'950'000 : 1'970'000);
    world[0].deliver(0);
    EXPECT_EQ(world[0].counts.allowed, in_time ? 1 : 0);
    EXPECT_EQ(world.violation(), "");
  }
}

TEST(LeaseHolder, ASubjectThatWasForgottenAndComesBackGoesOnCounting) {
  World world(1, {.max_subjects = 1, .exact = true});
  for (int i = 0; i < 20; ++i) world[0].ask(per_minute(60'000));
  world[0].serve();
  world.pass(1'000'000);
  world[0].tend();
  Charge other = per_minute(60'000);
  other.subject = "c:other";
  other.peek = true;
  world[0].ask(other);
  world[0].serve();
  ASSERT_FALSE(world[0].engine().lease_of(kSubject, world[0].now()).has_value());
  for (int i = 0; i < 60; ++i) {
    world[0].ask(per_minute(60'000));
    world[0].serve();
  }
  EXPECT_EQ(world.allowed_milli(), 61'000);
  EXPECT_EQ(world.violation(), "");
}

TEST(LeaseHolder, WhatWasAllowedOnCreditIsTakenFromTheBucketLater) {
  World world(1, {.exact = true});
  Charge charge = per_minute(60'000);
  world[0].ask(charge);
  world[0].serve();
  charge.store_lost = StoreLost::kAllow;
  for (int i = 0; i < 5; ++i) world[0].ask(charge);
  while (world[0].calls() > 0) world[0].drop(0);
  world[0].deliver_all();
  EXPECT_EQ(world[0].counts.allowed, 6);
  EXPECT_EQ(world[0].engine().lease_of(kSubject, world[0].now())->debt, 5'000);
  world.pass(200'000);
  world[0].ask(charge);
  world[0].serve();
  EXPECT_EQ(world[0].engine().lease_of(kSubject, world[0].now())->debt, 0);
  EXPECT_EQ(world.redis.minute(kSubject).level, 60'000 - 7'000 + 200);
}

TEST(LeaseHolder, WhatLiesIdleGoesBackHalfwayThroughTheLease) {
  World world(1);
  for (int i = 0; i < 8; ++i) {
    world[0].ask(per_minute(60'000));
    world[0].serve();
  }
  ASSERT_GT(world.redis.minute(kSubject).out(), 0);
  for (int i = 0; i < 60; ++i) {
    world.pass(50'000);
    tend_all(world);
  }
  EXPECT_EQ(world.redis.minute(kSubject).out(), 0);
  EXPECT_EQ(world.redis.minute(kSubject).level + 8'000,
            60'000 + world.redis.minute(kSubject).ts / 1'000 - World::kStartUs / 1'000);
}

// Crashes and stops -------------------------------------------------------------------------------

TEST(LeaseHolder, ACrashCostsTheMinuteItsLeaseUntilTheLeaseEnds) {
  World world(2);
  for (int i = 0; i < 20; ++i) {
    world[0].ask(per_minute(60'000));
    world[0].serve();
  }
  const int64_t lost = world.redis.minute(kSubject).out();
  ASSERT_GT(lost, 0);
  world.crash(0);
  world.pass(100 * kSecond);
  world[1].ask(per_minute(60'000));
  world[1].serve();
  const MinuteState state = world.redis.minute(kSubject);
  EXPECT_EQ(state.level + state.out(), 90'000);
  EXPECT_EQ(world.violation(), "");
}

TEST(LeaseHolder, ACrashCostsTheMonthASixteenthOfWhatRemainedAtMost) {
  World world(2);
  for (int i = 0; i < 200; ++i) {
    world[0].ask(per_month(1'000'000));
    world[0].serve();
  }
  const int64_t lost = world[0].engine().lease_of(kSubject, world[0].now())->month_mark - 200'000;
  EXPECT_LE(lost, 800'000 / 15);
  world.crash(0);
  for (int i = 0; i < 1'000; ++i) {
    world.pass(10'000);
    tend_all(world);
    world[1].ask(per_month(1'000'000));
    world[1].serve();
  }
  EXPECT_EQ(world[1].counts.allowed, (800'000 - lost) / 1'000);
  EXPECT_EQ(world.violation(), "");
}

TEST(LeaseHolder, ACleanStopGivesBackAllButWhatIsSpentAlsoOfACallUnderWay) {
  World world(1);
  Charge charge = per_month(1'000'000);
  charge.limits.minute = 600'000;
  for (int i = 0; i < 40; ++i) {
    world[0].ask(charge);
    if (i < 20) world[0].serve();
    world.pass(2'000);
  }
  world[0].close();
  while (world[0].calls() > 0) world[0].execute(0);
  const int64_t allowed = world[0].counts.allowed_milli;
  EXPECT_EQ(month_of(world).out(), 0);
  EXPECT_EQ(month_of(world).level, 1'000'000 - allowed);
}

TEST(LeaseHolder, ACallUnderWayAtACleanStopLeavesNothingOfTheMonthBehind) {
  World world(1, {.exact = true});
  world[0].ask(per_month(100'000));
  world[0].serve();
  world[0].ask(per_month(100'000));
  ASSERT_EQ(world[0].calls(), 1u);
  world[0].close();
  while (world[0].calls() > 0) world[0].execute(0);
  EXPECT_EQ(month_of(world).out(), 0);
  EXPECT_EQ(month_of(world).level, 99'000);
}

// Lost calls and lost data ------------------------------------------------------------------------

TEST(LeaseHolder, WhatCouldNotBeGivenBackIsGivenBackLater) {
  for (const bool is_executed : {false, true}) {
    World world(2);
    for (int i = 0; i < 6; ++i) {
      world[0].ask(per_month(200'000));
      world[0].serve();
    }
    ASSERT_GT(month_of(world).out(), 0);
    for (int i = 0; i < 100; ++i) {
      world.pass(50'000);
      world[0].tend();
      while (world[0].calls() > 0) is_executed ? world[0].execute_unheard(0) : world[0].drop(0);
      world[0].deliver_all();
    }
    for (int i = 0; i < 100; ++i) {
      world.pass(50'000);
      tend_all(world);
    }
    EXPECT_EQ(month_of(world).out(), 0) << is_executed;
    EXPECT_EQ(month_of(world).level, 194'000) << is_executed;
  }
}

class MonthAfterLoss : public testing::TestWithParam<bool> {
 protected:
  // q1 has spent 20 of 100, of which Redis knows but one any more.
  MonthAfterLoss() {
    world_[0].ask(per_month(100'000));
    world_[0].serve();
    world_.snapshot();
    for (int i = 0; i < 19; ++i) {
      world_[0].ask(per_month(100'000));
      world_[0].serve();
    }
    world_.roll_back();
    world_[0].deliver_all();
  }

  // The other one takes all that it is given, once the pause is over.
  void spend_the_rest() {
    for (int i = 0; i < 400; ++i) {
      world_.pass(50'000);
      tend_all(world_);
      world_[1].ask(per_month(100'000));
      world_[1].serve();
    }
  }

  World world_{2, {.exact = GetParam()}};
};

TEST_P(MonthAfterLoss, WhatWasSpentIsToldAgain) {
  spend_the_rest();
  EXPECT_EQ(world_.allowed_milli(), 100'000);
}

TEST_P(MonthAfterLoss, ItIsToldAgainUntilItIsHeard) {
  for (int i = 0; i < 6; ++i) {
    world_.pass(230'000);
    world_[0].tend();
    while (world_[0].calls() > 0) world_[0].drop(0);
    world_[0].deliver_all();
  }
  for (int i = 0; i < 13; ++i) {
    world_.pass(50'000);
    tend_all(world_);
  }
  // The pause is just over.
  Charge greedy = per_month(100'000);
  greedy.cost = 90'000;
  world_[1].ask(greedy);
  world_[1].serve();
  EXPECT_EQ(world_[1].counts.allowed, 0);
}

TEST_P(MonthAfterLoss, WhatIsSpentWhileItIsToldIsToldToo) {
  world_.pass(200'000);
  world_[0].tend();
  ASSERT_EQ(world_[0].calls(), 1u);
  world_[0].ask(per_month(100'000));
  world_[0].serve();
  spend_the_rest();
  EXPECT_EQ(world_.allowed_milli(), 100'000);
}

INSTANTIATE_TEST_SUITE_P(, MonthAfterLoss, testing::Bool());

}  // namespace
}  // namespace quota::store
