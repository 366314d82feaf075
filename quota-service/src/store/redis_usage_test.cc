#include "store/redis_usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <uv.h>

#include <thread>

#include "redis/test_cluster.h"
#include "redis/test_servers.h"
#include "store/test_support.h"
#include "store/usage_keys.h"
#include "store/usage_store_checks.h"

namespace quota::store {
namespace {

using redis::testing::eventually;
using ::testing::HasSubstr;

const usage::Key kAcme = {"acme", "/a", kSomeDay};

// As much of a quotad as tells usage: a client of Redis on a thread of its own.
class UsageQuotad final : private redis::ClientEvents {
 public:
  UsageQuotad(const std::string& url, const std::string& journal) {
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop_);
    stop_.data = this;
    uv_async_init(&loop_, &stop_,
                  [](uv_async_t* async) { static_cast<UsageQuotad*>(async->data)->on_stop(); });
    redis::ClientOptions options;
    options.url = redis::parse_url(url).value();
    options.least_backoff_us = 5'000;
    options.most_backoff_us = 50'000;
    client_ = redis::Client::open(&loop_, options, *this);
    auto opened = UsageJournal::open(journal);
    EXPECT_TRUE(opened.ok()) << opened.status();
    usage_ = std::make_unique<RedisUsage>(&loop_, *client_, *std::move(opened));
    EXPECT_EQ(usage_->load(), absl::OkStatus());
    thread_ = std::thread([this] { uv_run(&loop_, UV_RUN_DEFAULT); });
    EXPECT_TRUE(eventually([this] { return up_.load(); }));
  }
  ~UsageQuotad() override { stop(); }

  // Its connections end; what it has not told stays with it.
  void stop() {
    if (!thread_.joinable()) return;
    uv_async_send(&stop_);
    thread_.join();
    client_.reset();
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  RedisUsage& usage() { return *usage_; }

 private:
  void on_stop() {
    usage_->shut();
    client_->close([this] { uv_close(reinterpret_cast<uv_handle_t*>(&stop_), nullptr); });
  }
  void on_node(redis::Node&, Ask, Ready ready) override { ready(absl::OkStatus()); }
  void on_up(bool up, std::string_view) override { up_ = up; }

  uv_loop_t loop_{};
  uv_async_t stop_{};
  std::atomic<bool> up_{false};
  std::unique_ptr<RedisUsage> usage_;
  std::unique_ptr<redis::Client> client_;
  std::thread thread_;
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
  add(one_->usage(), {{kAcme, amount(3)}});
  add(other->usage(), {{kAcme, amount(4)}});
  EXPECT_EQ(requests(), 7u);
}

TEST_F(RedisUsageTest, what_is_not_quotads_is_passed_over) {
  add(one_->usage(), {{kAcme, amount(3)}});
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
  add(one_->usage(), {{kAcme, amount(1)}});
  server_.pause();
  const auto begin = std::chrono::steady_clock::now();
  one_->usage().add({{kAcme, amount(2)}}, kSomeTimeUs, false);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  EXPECT_EQ(one_->usage().stats().pending, 1u);
  one_->usage().add({{kAcme, amount(4)}}, kSomeTimeUs, false);
  EXPECT_FALSE(one_->usage().read({.month = some_month()}).ok());
  server_.resume();
  EXPECT_TRUE(is_told(*one_));
  EXPECT_EQ(requests(), 7u);
}

TEST_F(RedisUsageTest, a_redis_that_is_killed_and_comes_back_has_everything) {
  add(one_->usage(), {{kAcme, amount(1)}});
  server_.kill9();
  one_->usage().add({{kAcme, amount(2)}}, kSomeTimeUs, false);
  EXPECT_EQ(one_->usage().stats().pending, 1u);
  server_.start();
  EXPECT_TRUE(is_told(*one_));
  EXPECT_EQ(requests(), 3u);
}

TEST_F(RedisUsageTest, what_a_life_could_not_tell_the_next_one_does) {
  auto other = quotad("other");
  add(other->usage(), {{kAcme, amount(1)}});
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
