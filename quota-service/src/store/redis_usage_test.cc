#include "store/redis_usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include "redis/test_cluster.h"
#include "redis/test_servers.h"
#include "store/test_client_thread.h"
#include "store/test_support.h"
#include "store/usage_keys.h"
#include "store/usage_store_checks.h"

namespace quota::store {
namespace {

using redis::testing::eventually;
using ::testing::HasSubstr;

const usage::Key kAcme = {"acme", "/a", kSomeDay};

// As much of a quotad as tells usage.
class UsageQuotad {
 public:
  UsageQuotad(const std::string& url, const std::string& journal,
              int64_t command_timeout_us = redis::testing::kPatientUs)
      : thread_(
            url,
            [&](uv_loop_t* loop, redis::Client& client) {
              auto opened = UsageJournal::open(journal);
              EXPECT_TRUE(opened.ok()) << opened.status();
              usage_ = std::make_unique<RedisUsage>(loop, client, *std::move(opened));
              EXPECT_EQ(usage_->load(), absl::OkStatus());
            },
            [this] { usage_->shut(); }, command_timeout_us) {}

  // Its connections end; what it has not told stays with it.
  void stop() { thread_.stop(); }

  RedisUsage& usage() { return *usage_; }

 private:
  std::unique_ptr<RedisUsage> usage_;
  ClientThread thread_;
};

class RedisUsageTest : public ::testing::Test {
 protected:
  std::unique_ptr<UsageQuotad> quotad(const std::string& name) {
    return std::make_unique<UsageQuotad>(server_.unix_url(), directory_.file(name));
  }
  uint64_t requests() {
    uint64_t sum = 0;
    for (const auto& entry : read_all(one_->usage(), {.month = some_month()})) {
      sum += entry.amount.requests;
    }
    return sum;
  }
  // Tries again as often as it takes.
  static bool is_told(UsageQuotad& quotad) {
    return eventually([&] {
      quotad.usage().add({}, kSomeTimeUs, false);
      return quotad.usage().stats().pending == 0;
    });
  }

  TemporaryDirectory directory_;
  redis::testing::RedisServer server_{{.tcp = false, .keeps_data = true}};
  std::unique_ptr<UsageQuotad> one_ = quotad("one");
};

TEST_F(RedisUsageTest, is_read_by_month_consumer_and_page) { check_reading(one_->usage()); }
TEST_F(RedisUsageTest, takes_many_at_once) { check_many(one_->usage()); }
TEST_F(RedisUsageTest, stops_counting_before_numbers_overflow) { check_bounds(one_->usage()); }

TEST_F(RedisUsageTest, quotads_add_to_each_other) {
  const auto other = quotad("other");
  bring_in(one_->usage(), {{kAcme, amount(3)}});
  bring_in(other->usage(), {{kAcme, amount(4)}});
  EXPECT_EQ(requests(), 7u);
}

TEST_F(RedisUsageTest, what_is_not_quotads_is_passed_over) {
  bring_in(one_->usage(), {{kAcme, amount(3)}});
  const std::string key = usage_key(some_month(), "acme");
  for (const char* field : {"", "20", "xx /a", "00 /a", "32 /a", "20-/a"}) {
    server_.run({"HSET", key, field, "1 1 1"});
  }
  for (const char* value : {"", "1 1", "1 1 1 1", "1  1 1", "-1 1 1", "a b c"}) {
    server_.run({"HSET", key, std::string("21 ") + value, value});
  }
  EXPECT_EQ(requests(), 3u);
}

TEST_F(RedisUsageTest, a_redis_that_hangs_loses_nothing_and_blocks_nobody_for_long) {
  UsageQuotad hasty(server_.unix_url(), directory_.file("hasty"), 250'000);
  uint64_t expected = 0;
  for (UsageQuotad* quotad : {one_.get(), &hasty}) {
    bring_in(quotad->usage(), {{kAcme, amount(1)}});
    server_.pause();
    const auto begin = std::chrono::steady_clock::now();
    quotad->usage().add({{kAcme, amount(2)}}, kSomeTimeUs, false);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
    EXPECT_EQ(quotad->usage().stats().pending, 1u);
    quotad->usage().add({{kAcme, amount(4)}}, kSomeTimeUs, false);
    EXPECT_FALSE(quotad->usage().read({.month = some_month()}).ok());
    server_.resume();
    EXPECT_TRUE(is_told(*quotad));
    EXPECT_EQ(requests(), expected += 7);
  }
}

TEST_F(RedisUsageTest, a_redis_that_is_killed_and_comes_back_has_everything) {
  bring_in(one_->usage(), {{kAcme, amount(1)}});
  server_.kill9();
  one_->usage().add({{kAcme, amount(2)}}, kSomeTimeUs, false);
  EXPECT_EQ(one_->usage().stats().pending, 1u);
  server_.start();
  EXPECT_TRUE(is_told(*one_));
  EXPECT_EQ(requests(), 3u);
}

TEST_F(RedisUsageTest, what_a_life_could_not_tell_the_next_one_does) {
  auto other = quotad("other");
  bring_in(other->usage(), {{kAcme, amount(1)}});
  server_.kill9();
  other->usage().add({{kAcme, amount(2)}}, kSomeTimeUs, false);
  other->stop();
  // The last round of a clean stop comes after its connections have ended.
  other->usage().add({{kAcme, amount(4)}}, kSomeTimeUs, false);
  EXPECT_EQ(other->usage().close(), absl::OkStatus());
  other.reset();
  server_.start();
  other = quotad("other");
  EXPECT_GT(other->usage().stats().pending, 0u);
  EXPECT_TRUE(is_told(*other));
  EXPECT_TRUE(is_told(*one_));
  EXPECT_TRUE(eventually([&] { return one_->usage().read({.month = some_month()}).ok(); }));
  EXPECT_EQ(requests(), 7u);
}

TEST(RedisUsageInACluster, is_shared_by_the_nodes) {
  redis::testing::TestCluster cluster;
  TemporaryDirectory directory;
  UsageQuotad quotad(cluster.url(), directory.file("journal"));
  check_reading(quotad.usage());
  EXPECT_EQ(quotad.usage().stats().pending, 0u);
}

}  // namespace
}  // namespace quota::store
