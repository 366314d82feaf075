#include "store/usage_teller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "store/usage_world.h"

namespace quota::store {
namespace {

using ::testing::HasSubstr;
using Fate = UsageWorld::Fate;
using usage::Sums;

const usage::Key kAcme = {"acme", "/a", kSomeDay};

class UsageTellerTest : public ::testing::Test {
 protected:
  void expect_acme(uint64_t requests) {
    EXPECT_EQ(world_.counted(), (Sums{{kAcme, amount(requests, 1000 * requests)}}));
  }
  void add(uint64_t requests) { world_.add(*life_, {{kAcme, amount(requests, 1000 * requests)}}); }
  void next_life(const std::string& journal) {
    life_.reset();
    life_ = world_.begin_life(journal);
  }

  UsageWorld world_;
  std::unique_ptr<UsageTeller> life_ = world_.begin_life("journal");
};

TEST_F(UsageTellerTest, what_is_added_is_in_redis_at_once) {
  add(1);
  expect_acme(1);
  add(2);
  expect_acme(3);
  for (int i = 0; i < 10; ++i) world_.add(*life_, {});  // it is only asked what it had
  EXPECT_EQ(world_.calls, 4);
  EXPECT_EQ(life_->stats().written, 2u);
  EXPECT_EQ(life_->stats().pending, 0u);
  EXPECT_EQ(life_->close(), absl::OkStatus());
}

TEST_F(UsageTellerTest, a_lost_answer_counts_nothing_twice) {
  world_.fates = {Fate::kAnswerLost, Fate::kAnswerLost};
  add(1);
  EXPECT_EQ(life_->stats().pending, 1u);
  EXPECT_EQ(life_->stats().failed, 1u);
  add(2);
  add(4);
  expect_acme(7);
  EXPECT_EQ(life_->stats().pending, 0u);
}

TEST_F(UsageTellerTest, a_call_that_arrives_late_changes_nothing) {
  world_.fates = {Fate::kLate, Fate::kArrives, Fate::kLate, Fate::kLate};
  add(1);
  add(2);
  add(4);
  add(8);
  world_.settle(*life_);
  expect_acme(15);
}

TEST_F(UsageTellerTest, what_waits_is_merged_and_a_batch_that_was_sent_never_changes) {
  world_.fates = {Fate::kAnswerLost, Fate::kRequestLost, Fate::kRequestLost, Fate::kRequestLost};
  for (int i = 0; i < 4; ++i) add(1);
  // The one that was sent, and one for all that came after it.
  EXPECT_EQ(life_->stats().pending, 2u);
  world_.calls = 0;
  world_.settle(*life_);
  expect_acme(4);
}

TEST_F(UsageTellerTest, redis_that_has_forgotten_the_newest_is_told_again) {
  add(1);
  world_.save();
  add(2);
  add(4);
  world_.roll_back();
  expect_acme(1);
  add(8);
  expect_acme(15);
}

TEST_F(UsageTellerTest, it_is_told_again_also_when_nothing_more_is_used) {
  add(1);
  world_.save();
  add(2);
  world_.roll_back();
  world_.settle(*life_);
  expect_acme(3);
}

TEST_F(UsageTellerTest, before_a_stop_redis_is_asked_whether_it_still_knows) {
  add(1);
  world_.save();
  add(2);
  world_.roll_back();
  world_.add(*life_, {}, true);
  expect_acme(3);
}

TEST_F(UsageTellerTest, redis_that_has_forgotten_everything_gets_the_last_minute) {
  add(1);
  for (int i = 0; i < 62; ++i) world_.add(*life_, {});
  add(2);
  add(4);
  world_.run({"FLUSHALL"});
  add(8);
  world_.settle(*life_);
  expect_acme(14);
}

TEST_F(UsageTellerTest, the_minute_does_not_run_while_redis_is_away) {
  add(1);
  world_.save();
  add(2);
  for (int i = 0; i < 100; ++i) {
    world_.now_us += 3'600'000'000;
    world_.fates = {Fate::kRequestLost};
    add(1);
  }
  world_.roll_back();
  world_.settle(*life_);
  expect_acme(103);
}

TEST_F(UsageTellerTest, after_kill_9_the_journal_is_told_under_the_old_name) {
  add(1);
  world_.fates = {Fate::kAnswerLost, Fate::kRequestLost};
  add(2);
  add(4);
  next_life("journal");
  EXPECT_EQ(life_->stats().pending, 2u);
  add(8);
  expect_acme(15);
  next_life("journal");
  EXPECT_EQ(life_->stats().pending, 0u);
}

TEST_F(UsageTellerTest, what_was_sent_after_it_was_written_down_is_not_told_twice) {
  world_.fates = {Fate::kRequestLost, Fate::kRequestLost};
  add(1);
  add(2);
  // Both arrive, and the process ends before it can strike them out.
  world_.fates = {Fate::kArrives, Fate::kKilledAfter};
  EXPECT_THROW(add(4), UsageWorld::Killed);
  next_life("journal");
  world_.settle(*life_);
  expect_acme(7);
}

TEST_F(UsageTellerTest, a_life_may_end_while_it_tells_for_another) {
  world_.fates = {Fate::kRequestLost};
  add(1);
  next_life("journal");
  world_.fates = {Fate::kKilledAfter};
  EXPECT_THROW(world_.add(*life_, {}), UsageWorld::Killed);
  next_life("journal");
  world_.settle(*life_);
  expect_acme(1);
}

TEST_F(UsageTellerTest, without_a_journal_a_stop_says_what_is_lost) {
  next_life("");
  world_.fates = {Fate::kRequestLost};
  add(1);
  EXPECT_THAT(std::string(life_->close().message()), HasSubstr("store_journal"));
}

TEST_F(UsageTellerTest, a_redis_that_is_full_takes_nothing_and_everything_later) {
  add(1);
  world_.run({"CONFIG", "SET", "maxmemory", "1"});
  add(2);
  EXPECT_EQ(life_->stats().failed, 1u);
  world_.run({"CONFIG", "SET", "maxmemory", "0"});
  add(4);
  expect_acme(7);
}

TEST_F(UsageTellerTest, a_key_of_another_type_stops_a_batch_as_a_whole) {
  const std::string key = usage_key(some_month(), "acme");
  world_.run({"SET", key, "mine"});
  world_.add(*life_, {{kAcme, amount(1)}, {{"acme", "/a", kSomeDay + 30}, amount(2)}});
  EXPECT_EQ(life_->stats().pending, 2u);
  world_.run({"DEL", key});
  world_.settle(*life_);
  EXPECT_EQ(world_.counted(),
            (Sums{{kAcme, amount(1)}, {{"acme", "/a", kSomeDay + 30}, amount(2)}}));
}

TEST_F(UsageTellerTest, batches_have_a_bound) {
  Sums sums;
  for (int i = 0; i < 1201; ++i) sums[{"acme", "/" + std::to_string(i), kSomeDay}] = amount(1);
  world_.add(*life_, sums);
  EXPECT_EQ(world_.calls, 3);
  EXPECT_EQ(world_.counted(), sums);
}

TEST_F(UsageTellerTest, keys_go_after_thirteen_months_and_are_not_prolonged) {
  add(1);
  const auto ttl = [&](const std::string& key) { return world_.run({"EXPIRETIME", key})->integer; };
  const int64_t expiry = usage_expiry(some_month());
  EXPECT_EQ(usage::day_text(static_cast<int32_t>(expiry / 86'400)), "2028-01-04");
  EXPECT_EQ(ttl(usage_key(some_month(), "acme")), expiry);
  EXPECT_EQ(ttl(usage_consumers_key(usage_shard("acme"), some_month())), expiry);
  world_.run({"EXPIREAT", usage_key(some_month(), "acme"), "4000000000"});
  add(1);
  EXPECT_EQ(ttl(usage_key(some_month(), "acme")), 4'000'000'000);
}

TEST_F(UsageTellerTest, holders_that_fell_silent_are_forgotten_when_a_new_one_comes) {
  const std::string last = usage_last_key(usage_shard("acme"));
  const int64_t now_s = std::stoll(world_.run({"TIME"})->element[0]->str);
  world_.run({"HSET", last, "old", "5 " + std::to_string(now_s - 35 * 86'400 - 10), "silent",
              "5 " + std::to_string(now_s - 34 * 86'400)});
  add(1);
  EXPECT_EQ(world_.run({"HEXISTS", last, "old"})->integer, 0);
  EXPECT_EQ(world_.run({"HEXISTS", last, "silent"})->integer, 1);
}

TEST_F(UsageTellerTest, what_may_have_been_sent_four_weeks_ago_is_given_up) {
  world_.fates = {Fate::kAnswerLost};
  add(1);
  world_.now_us += 29 * int64_t{86'400'000'000};
  // Redis does not know the holder any more.
  world_.run({"DEL", usage_last_key(usage_shard("acme"))});
  add(2);
  world_.settle(*life_);
  expect_acme(3);
}

// Two quotads that share a Redis, and everything that can happen to them.
class RandomLives {
 public:
  void run() {
    const int steps = *rc::gen::inRange(1, 60);
    for (int step = 0; step < steps; ++step) {
      const size_t who = *rc::gen::inRange<size_t>(0, 2);
      switch (*rc::gen::weightedElement<int>({{20, 0}, {1, 1}, {1, 2}, {2, 3}, {2, 4}, {1, 5}})) {
        case 0:
          use(who);
          break;
        case 1:
          stop(who);
          break;
        case 2:
          kill(who);
          break;
        case 3:
          world_.save();
          saved_us_ = world_.now_us;
          break;
        case 4:
          roll_back();
          break;
        case 5:
          world_.now_us += *rc::gen::inRange<int64_t>(0, 20) * 1'000'000;
          break;
      }
    }
    for (auto& life : lives_) world_.settle(*life);
    check(world_.counted());
  }

 private:
  static constexpr int64_t kNever = INT64_MIN / 2;

  void use(size_t who) {
    const auto fates = *rc::gen::container<std::vector<int>>(
        rc::gen::weightedElement<int>({{12, 0}, {4, 1}, {4, 2}, {4, 3}, {1, 4}, {1, 5}}));
    for (const int fate : fates) world_.fates.push_back(static_cast<Fate>(fate));
    Sums sums;
    const int entries = *rc::gen::inRange(0, 6);
    for (int i = 0; i < entries; ++i) {
      const usage::Key key = {std::string(1, *rc::gen::inRange('a', 'e')),
                              std::string(1, *rc::gen::inRange('x', 'z')),
                              kSomeDay + 10 * *rc::gen::inRange(0, 2)};
      sums[key] += amount(static_cast<uint64_t>(*rc::gen::inRange(1, 10)), 1500, 1);
    }
    for (const auto& [key, more] : sums) most_[key] += more;
    try {
      world_.add(*lives_[who], sums);
      for (const auto& [key, more] : sums) least_[key] += more;
    } catch (const UsageWorld::Killed&) {
      // What was new in this round is there, or is not.
      kill(who);
    }
    world_.fates.clear();
  }

  void stop(size_t who) {
    world_.add(*lives_[who], {}, true);
    may_have_forgotten_[who] = false;
    kill(who);
  }

  void kill(size_t who) {
    // It would have told again what Redis has forgotten.
    if (may_have_forgotten_[who]) least_.clear();
    may_have_forgotten_[who] = false;
    lives_[who].reset();
    lives_[who] = world_.begin_life(journals_[who]);
    saved_us_ = kNever;
  }

  void roll_back() {
    // What was told longer ago than a minute is not told again.
    if (world_.now_us - saved_us_ > 30'000'000) return;
    world_.roll_back();
    may_have_forgotten_[0] = may_have_forgotten_[1] = true;
  }

  void check(const Sums& counted) {
    for (const auto& [key, found] : counted) {
      RC_ASSERT(most_.contains(key));
      RC_ASSERT(found.requests <= most_[key].requests);
      RC_ASSERT(found.cost_milli <= most_[key].cost_milli);
      RC_ASSERT(found.denials <= most_[key].denials);
    }
    for (const auto& [key, sure] : least_) {
      RC_ASSERT(counted.contains(key));
      RC_ASSERT(counted.at(key).requests >= sure.requests);
      RC_ASSERT(counted.at(key).cost_milli >= sure.cost_milli);
      RC_ASSERT(counted.at(key).denials >= sure.denials);
    }
  }

  UsageWorld world_;
  const std::string journals_[2] = {"one", "other"};
  std::unique_ptr<UsageTeller> lives_[2] = {world_.begin_life("one"), world_.begin_life("other")};
  // What must be counted, and what may be.
  Sums least_, most_;
  int64_t saved_us_ = kNever;
  bool may_have_forgotten_[2] = {false, false};
};

RC_GTEST_PROP(UsageTellerProperty, nothing_is_lost_and_nothing_is_counted_twice, ()) {
  RandomLives().run();
}

}  // namespace
}  // namespace quota::store
