// The Redis store as a whole, with real servers that come, go and forget.
#include "store/redis_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/test_servers.h"
#include "store/test_support.h"

namespace quota::store {
namespace {

using engine::Grant;
using engine::MonthKey;
using engine::Reserve;
using redis::testing::eventually;
using redis::testing::RedisServer;
using testing::HasSubstr;

const MonthKey kMonth{"c:acme", 20'000};

class RedisStoreTest : public testing::Test {
 protected:
  RedisStoreOptions options(const RedisServer& server) {
    RedisStoreOptions options;
    options.client.url = *redis::parse_url(server.unix_url());
    options.client.command_timeout_us = redis::testing::kPatientUs;
    options.client.least_backoff_us = 5'000;
    options.client.most_backoff_us = 50'000;
    options.lease_ttl_us = 300'000;
    options.journal = journal_;
    return options;
  }
  std::unique_ptr<RedisStore> open(const RedisServer& server) {
    auto store = RedisStore::open(options(server));
    EXPECT_TRUE(store.ok()) << store.status();
    (*store)->start(&sink_);
    return *std::move(store);
  }
  Grant ask(RedisStore& store, Reserve request) {
    store.reserve(std::move(request));
    return sink_.collector.take_one();
  }
  static Reserve minute(int64_t want, int64_t spent = 0) {
    return {.month = {"c:acme", 0},
            .limit = -1,
            .minute = {.limit = 60'000,
                       .capacity = 90'000,
                       .spent = spent,
                       .want = want,
                       .least = want > 0 ? 1000 : 0}};
  }
  static Reserve month(int64_t used, int64_t want = 1000) {
    return {.month = kMonth, .limit = 100'000, .cost = want, .demand = want, .used = used};
  }
  int64_t month_used(RedisStore& store) {
    const auto used = store.month_used(kMonth);
    EXPECT_TRUE(used.ok()) << used.status();
    return used.value_or(-1);
  }

  TemporaryDirectory directory_;
  const std::string journal_ = directory_.file("journal.db");
  ResetCounter sink_;
};

TEST_F(RedisStoreTest, OneCallServesMinuteAndMonth) {
  RedisServer server;
  const auto store = open(server);
  Reserve both = month(-1);
  both.minute = minute(5000).minute;
  const Grant grant = ask(*store, both);
  ASSERT_TRUE(grant.ok);
  EXPECT_EQ(grant.mark, 1000);
  EXPECT_EQ(grant.minute.balance, 5000);
  EXPECT_EQ(grant.minute.level, 55'000);
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreTest, ARedisThatEvictsIsRefused) {
  RedisServer server({.arguments = {"--maxmemory", "50mb", "--maxmemory-policy", "volatile-lru"}});
  const auto store = RedisStore::open(options(server));
  ASSERT_FALSE(store.ok());
  EXPECT_THAT(store.status().message(),
              AllOf(HasSubstr("volatile-lru"), HasSubstr("set it to noeviction")));
}

TEST_F(RedisStoreTest, ARedisThatIsAwayIsNoErrorAndIsFoundWhenItComes) {
  RedisServer server;
  server.kill9();
  auto patient = options(server);
  patient.first_contact_us = 1'000;
  auto store = RedisStore::open(patient);
  ASSERT_TRUE(store.ok()) << store.status();
  (*store)->start(&sink_);
  EXPECT_FALSE((*store)->healthy());
  EXPECT_FALSE(ask(**store, minute(5000)).ok);
  server.start();
  EXPECT_TRUE(eventually([&] { return (*store)->healthy(); }));
  EXPECT_TRUE(ask(**store, minute(5000)).ok);
  EXPECT_TRUE((*store)->close().ok());
}

TEST_F(RedisStoreTest, ARedisThatComesBackEmptyGrantsNothingForALeaseAndThenFromNothing) {
  RedisServer server;
  auto lasting = options(server);
  lasting.lease_ttl_us = 1'000'000;  // the pause is as long, and has to be seen
  auto opened = RedisStore::open(lasting);
  ASSERT_TRUE(opened.ok());
  const auto store = *std::move(opened);
  store->start(&sink_);
  EXPECT_EQ(ask(*store, minute(5000)).minute.balance, 5000);
  server.kill9();
  ASSERT_TRUE(eventually([&] { return !store->healthy(); }));
  server.start();
  ASSERT_TRUE(eventually([&] { return store->healthy(); }));
  EXPECT_EQ(sink_.resets, 1);
  const Grant paused = ask(*store, minute(5000));
  EXPECT_TRUE(paused.ok);
  EXPECT_GT(paused.pause_us, 0);
  EXPECT_EQ(paused.minute.balance, 0);
  EXPECT_TRUE(store->stats().is_paused);
  Grant after;
  ASSERT_TRUE(eventually([&] {
    after = ask(*store, minute(5000));
    return after.pause_us == 0;
  }));
  // A second brings 1000; a new bucket would hold 60,000.
  EXPECT_LT(after.minute.level + after.minute.balance, 5000);
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreTest, AFlushIsNoticedByTheFirstCallAfterIt) {
  RedisServer server;
  const auto store = open(server);
  ask(*store, minute(5000));
  server.cli()({"FLUSHALL"});
  EXPECT_FALSE(ask(*store, minute(5000)).ok) << "its marker is missing";
  ASSERT_TRUE(eventually([&] { return sink_.resets == 1; }));
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreTest, ManyCallsThatFindTheSameLossAreOneLoss) {
  RedisServer server;
  const auto store = open(server);
  ask(*store, minute(5000));
  server.pause();
  for (int i = 0; i < 200; ++i) store->reserve(minute(5000));
  server.resume();
  sink_.collector.take(200);
  // What is in flight when the data goes comes back in one piece.
  server.cli()({"FLUSHALL"});
  for (int i = 0; i < 200; ++i) store->reserve(minute(5000));
  sink_.collector.take(200);
  ASSERT_TRUE(eventually([&] { return sink_.resets > 0; }));
  ASSERT_TRUE(eventually([&] { return ask(*store, minute(5000)).ok; }));
  EXPECT_EQ(sink_.resets, 1);
  EXPECT_EQ(store->stats().resets, 1U);
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreTest, ARedisThatIsFullIsReportedAsNoHelp) {
  RedisServer server({.arguments = {"--maxmemory-policy", "noeviction"}});
  const auto store = open(server);
  ask(*store, minute(5000));
  server.cli()({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_FALSE(ask(*store, minute(5000)).ok);
  EXPECT_TRUE(store->stats().is_refused);
  EXPECT_TRUE(store->stats().up);
  server.cli()({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(ask(*store, minute(5000)).ok);
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreTest, ANewcomerInAnEmptiedRedisDoesNotHideThat) {
  RedisServer server;
  const auto old = open(server);
  ask(*old, minute(5000));
  server.cli()({"FLUSHALL"});
  auto others = options(server);
  others.journal.clear();
  const auto newcomer = RedisStore::open(others);
  ASSERT_TRUE(newcomer.ok());
  EXPECT_TRUE(eventually([&] { return sink_.resets == 1; }));
  EXPECT_TRUE((*newcomer)->close().ok());
  EXPECT_TRUE(old->close().ok());
}

TEST_F(RedisStoreTest, MonthsThatRedisForgotAreToldAgain) {
  RedisServer server;
  const auto store = open(server);
  ask(*store, month(-1));
  ask(*store, month(800));
  server.cli()({"FLUSHALL"});
  ASSERT_TRUE(eventually([&] { return sink_.resets == 1; }));
  ASSERT_TRUE(eventually([&] { return ask(*store, month(900, 0)).ok; }));
  EXPECT_EQ(month_used(*store), 900);
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreTest, WhatIsSpentWhileRedisIsAwayIsSettledOnceWhenItIsBack) {
  RedisServer server({.keeps_data = true});
  const auto store = open(server);
  ask(*store, month(-1));
  server.kill9();
  ASSERT_TRUE(eventually([&] { return !store->healthy(); }));
  store->journal(kMonth, 7000, true);
  store->settle(kMonth, 9000);
  store->spend(kMonth, 500);
  server.start();
  ASSERT_TRUE(eventually([&] { return store->healthy() && store->stats().unsettled == 0; }));
  EXPECT_EQ(month_used(*store), 9500);
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreTest, WhatIsSpentWhileRedisIsAwayIsSettledByTheNextLife) {
  RedisServer server({.keeps_data = true});
  {
    const auto store = open(server);
    ask(*store, month(-1));
    server.kill9();
    ASSERT_TRUE(eventually([&] { return !store->healthy(); }));
    store->settle(kMonth, 9000);
    EXPECT_TRUE(store->close().ok()) << "the journal has it";
  }
  server.start();
  const auto store = open(server);
  ASSERT_TRUE(eventually([&] { return store->stats().unsettled == 0; }));
  EXPECT_EQ(month_used(*store), 9000);
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreTest, WithoutAJournalAStopSaysWhatIsLost) {
  RedisServer server;
  auto forgetful = options(server);
  forgetful.journal.clear();
  auto store = RedisStore::open(forgetful);
  ASSERT_TRUE(store.ok());
  server.kill9();
  ASSERT_TRUE(eventually([&] { return !(*store)->healthy(); }));
  (*store)->settle(kMonth, 9000);
  EXPECT_THAT((*store)->close().message(), HasSubstr("set store_journal"));
}

TEST_F(RedisStoreTest, QuotadsKnowHowManyTheyAre) {
  RedisServer server;
  const auto one = open(server);
  auto others = options(server);
  others.journal.clear();
  auto two = RedisStore::open(others);
  ASSERT_TRUE(two.ok());
  EXPECT_TRUE(eventually([&] { return one->engines() == 2 && (*two)->engines() == 2; }));
  EXPECT_TRUE((*two)->close().ok());
  EXPECT_TRUE(eventually([&] { return one->engines() == 1; })) << "it said that it leaves";
  EXPECT_TRUE(one->close().ok());
}

TEST_F(RedisStoreTest, ASilentRedisIsGivenUpAndNobodyWaitsForIt) {
  RedisServer server;
  auto brief = options(server);
  brief.client.command_timeout_us = 250'000;
  auto store = RedisStore::open(brief);
  ASSERT_TRUE(store.ok());
  (*store)->start(&sink_);
  ASSERT_TRUE(eventually([&] { return ask(**store, minute(5000)).ok; }));
  const uint64_t timeouts = (*store)->stats().timeouts;
  server.pause();
  EXPECT_FALSE(ask(**store, minute(5000)).ok);
  EXPECT_FALSE((*store)->healthy());
  EXPECT_EQ((*store)->stats().timeouts, timeouts + 1);
  server.resume();
  EXPECT_TRUE(eventually([&] { return (*store)->healthy(); }));
  EXPECT_EQ(sink_.resets, 0) << "the same process forgets nothing";
  EXPECT_TRUE((*store)->close().ok());
}

}  // namespace
}  // namespace quota::store
