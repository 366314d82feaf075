// How well a shared limit is used under steady load, and what that costs in calls.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>

#include "store/lease_world.h"

namespace quota::store {
namespace {

using engine::Charge;

constexpr int64_t kLimit = 60'000'000;  // 60,000 a minute: 1000 a second
constexpr int64_t kTickUs = 100;
constexpr int64_t kOneWayUs = 200;

struct Load {
  size_t quotads;
  int64_t percent;  // of the limit
};

// Requests come evenly and go round the quotads; a call takes 200 µs each way.
class SteadyLoad : public testing::TestWithParam<Load> {
 protected:
  struct Tally {
    int64_t asked = 0, allowed = 0, calls = 0;
  };

  void run(int64_t us) {
    for (const int64_t end = world_.us + us; world_.us < end; world_.pass(kTickUs)) {
      for (; owed_ >= kSecond; owed_ -= kSecond) {
        world_[next_++ % world_.size()].ask(
            {.subject = "c:busy", .limits = {kLimit, -1}, .cost = 1'000});
        ++asked_;
      }
      owed_ += kLimit / 1'000 / 60 * GetParam().percent / 100 * kTickUs;
      for (size_t i = 0; i < world_.size(); ++i) move_calls(world_[i], due_[i]);
    }
  }
  Tally tally() {
    Tally tally{.asked = asked_, .calls = world_.calls()};
    for (size_t i = 0; i < world_.size(); ++i) tally.allowed += world_[i].counts.allowed;
    return tally;
  }

  World world_{GetParam().quotads};

 private:
  struct Due {
    std::deque<int64_t> calls, answers;
    int64_t tend_us = 0;
  };

  void move_calls(Quotad& quotad, Due& due) {
    quotad.send();
    while (due.calls.size() < quotad.calls()) due.calls.push_back(world_.us + kOneWayUs);
    for (; !due.calls.empty() && due.calls.front() <= world_.us; due.calls.pop_front()) {
      quotad.execute(0);
      due.answers.push_back(world_.us + kOneWayUs);
    }
    for (; !due.answers.empty() && due.answers.front() <= world_.us; due.answers.pop_front()) {
      quotad.deliver(0);
    }
    if (world_.us < due.tend_us) return;
    due.tend_us = world_.us + quotad.engine().tend(quotad.now());
  }

  Due due_[4];
  size_t next_ = 0;
  int64_t owed_ = 0;
  int64_t asked_ = 0;
};

TEST_P(SteadyLoad, UsesTheLimitAndRarelyAsks) {
  // The bucket begins empty, so that only what refills is counted.
  world_.redis.set_clock(world_.redis_us());
  ASSERT_TRUE(world_.redis
                  .lease({.month = {"c:busy", 0},
                          .limit = -1,
                          .minute = {.limit = kLimit, .capacity = kLimit * 3 / 2, .debt = kLimit}},
                         {.holder = "", .ttl_us = 1, .marker = ""}, "drain", 0)
                  .ok());
  run(3 * kSecond);
  const Tally before = tally();
  constexpr int64_t kFor = 10;
  run(kFor * kSecond);
  const Tally after = tally();
  const double allowed = static_cast<double>(after.allowed - before.allowed);
  const double asked = static_cast<double>(after.asked - before.asked);
  const double calls_per_decision = static_cast<double>(after.calls - before.calls) / asked;
  const double due = std::min(asked, 1'000.0 * kFor);
  EXPECT_EQ(world_.violation(), "");
  EXPECT_GE(allowed, 0.99 * due);
  EXPECT_LE(calls_per_decision, 0.05);
  fmt::print("{} quotads, {} %: utilisation {:.2f} %, {:.4f} calls per decision\n",
             GetParam().quotads, GetParam().percent, 100 * allowed / due, calls_per_decision);
}

INSTANTIATE_TEST_SUITE_P(, SteadyLoad,
                         testing::Values(Load{1, 90}, Load{1, 150}, Load{1, 1000}, Load{2, 150},
                                         Load{2, 1000}, Load{3, 90}, Load{3, 150}, Load{3, 1000},
                                         Load{4, 90}, Load{4, 150}, Load{4, 1000}),
                         [](const auto& test) {
                           return fmt::format("{}quotadsAt{}Percent", test.param.quotads,
                                              test.param.percent);
                         });

}  // namespace
}  // namespace quota::store
