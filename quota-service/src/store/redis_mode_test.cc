#include "store/redis_mode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "store/test_quotad.h"

namespace quota::store {
namespace {

using policy::Mode;
using redis::testing::eventually;
using ::testing::HasSubstr;

// A quotad, and what it was told last.
class Follower {
 public:
  explicit Follower(const std::string& url) : quotad_(url) {
    EXPECT_TRUE(quotad_.mode().wait_until_known(std::chrono::seconds(10)));
    EXPECT_TRUE(
        quotad_.mode().watch_mode([this](const ModeRecord& record) { heard(record); }).ok());
  }
  ~Follower() { quotad_.stop(); }

  absl::StatusOr<ModeRecord> put(std::optional<Mode> mode, int64_t unix_ms) {
    return quotad_.mode().put_mode(mode, unix_ms);
  }
  ModeRecord last() {
    const std::lock_guard lock(mutex_);
    return last_;
  }
  int times() {
    const std::lock_guard lock(mutex_);
    return times_;
  }
  bool soon(std::optional<Mode> mode) {
    // Sooner than by comparing.
    return eventually([&] { return last().since_unix_ms > 0 && last().mode == mode; }, 5);
  }

 private:
  void heard(const ModeRecord& record) {
    const std::lock_guard lock(mutex_);
    last_ = record;
    ++times_;
  }

  std::mutex mutex_;
  ModeRecord last_;
  int times_ = 0;
  TestQuotad quotad_;
};

class RedisModeTest : public ::testing::Test {
 protected:
  redis::testing::RedisServer server_;
};

TEST_F(RedisModeTest, nothing_is_heard_while_nothing_is_recorded) {
  Follower one(server_.unix_url());
  EXPECT_EQ(one.times(), 0);
  EXPECT_EQ(server_.run({"KEYS", "*"}), "");
}

TEST_F(RedisModeTest, what_one_is_told_all_hear_and_who_comes_later_too) {
  Follower one(server_.unix_url());
  Follower other(server_.unix_url());
  const auto recorded = one.put(Mode::kShadow, 1000);
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  EXPECT_EQ(*recorded, (ModeRecord{Mode::kShadow, 1000}));
  EXPECT_EQ(one.last(), *recorded) << "heard before the call returns";
  EXPECT_TRUE(other.soon(Mode::kShadow));
  EXPECT_EQ(server_.run({"GET", "quota:{mode}"}), "shadow 1000");
  Follower late(server_.unix_url());
  EXPECT_EQ(late.last(), *recorded) << "known before the watch begins";
  ASSERT_TRUE(late.put(std::nullopt, 2000).ok());
  EXPECT_TRUE(one.soon(std::nullopt));
  EXPECT_TRUE(other.soon(std::nullopt));
}

TEST_F(RedisModeTest, the_last_change_wins_whatever_the_clocks_say) {
  Follower one(server_.unix_url());
  Follower other(server_.unix_url());
  ASSERT_TRUE(one.put(Mode::kShadow, 5'000'000).ok());
  const auto recorded = other.put(Mode::kOff, 1000);
  ASSERT_TRUE(recorded.ok());
  EXPECT_EQ(recorded->since_unix_ms, 5'000'001);
  EXPECT_TRUE(one.soon(Mode::kOff));
}

TEST_F(RedisModeTest, a_redis_that_has_forgotten_is_told_by_who_knows) {
  Follower one(server_.unix_url());
  ASSERT_TRUE(one.put(Mode::kShadow, 1000).ok());
  server_.restart_empty();
  EXPECT_TRUE(eventually([&] { return server_.run({"GET", "quota:{mode}"}) == "shadow 1000"; }));
  EXPECT_EQ(one.times(), 1) << "nothing has changed";
}

TEST_F(RedisModeTest, what_was_missed_while_redis_was_away_is_heard_afterwards) {
  Follower one(server_.unix_url());
  ASSERT_TRUE(one.put(Mode::kShadow, 1000).ok());
  server_.restart_empty();
  server_.run({"SET", "quota:{mode}", "off 2000"});
  EXPECT_TRUE(one.soon(Mode::kOff));
}

TEST_F(RedisModeTest, nothing_changes_while_redis_is_away) {
  Follower one(server_.unix_url());
  server_.kill9();
  const auto refused = one.put(Mode::kOff, 1000);
  EXPECT_TRUE(absl::IsUnavailable(refused.status()) || absl::IsDeadlineExceeded(refused.status()));
  EXPECT_EQ(one.times(), 0);
}

TEST_F(RedisModeTest, rubbish_in_redis_is_no_mode_and_can_be_replaced) {
  for (const char* rubbish : {"17", "shadow", "shadow x", "Shadow 17", "on 17", "off -1",
                              "off 99999999999999999999", ""}) {
    server_.run({"SET", "quota:{mode}", rubbish});
    Follower one(server_.unix_url());
    EXPECT_EQ(one.times(), 0) << rubbish;
    server_.run({"PUBLISH", "quota:mode", rubbish});
    const auto put = one.put(Mode::kOff, 100);
    EXPECT_TRUE(put.ok()) << rubbish << put.status();
    EXPECT_EQ(one.last().mode, Mode::kOff) << rubbish;
    EXPECT_EQ(one.times(), 1) << rubbish;
  }
}

}  // namespace
}  // namespace quota::store
