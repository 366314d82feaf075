// The Redis store on a cluster: a marker for each node, which slots and failovers come to.
#include <gtest/gtest.h>

#include "redis/test_cluster.h"
#include "store/lease_call.h"
#include "store/marker.h"
#include "store/redis_store.h"
#include "store/test_support.h"

namespace quota::store {
namespace {

using engine::Grant;
using engine::Reserve;
using redis::key_slot;
using redis::testing::eventually;
using redis::testing::TestCluster;

class RedisStoreClusterTest : public testing::Test {
 protected:
  std::unique_ptr<RedisStore> open(const TestCluster& cluster) {
    RedisStoreOptions options;
    options.client.url = *redis::parse_url(cluster.url());
    options.client.command_timeout_us = redis::testing::kPatientUs;
    options.client.most_backoff_us = 50'000;
    options.lease_ttl_us = 300'000;
    auto store = RedisStore::open(std::move(options));
    EXPECT_TRUE(store.ok()) << store.status();
    (*store)->start(&sink_);
    return *std::move(store);
  }
  Grant ask(RedisStore& store, const std::string& subject, int64_t want) {
    Reserve request{.month = {subject, 20'000}, .limit = 100'000, .demand = want, .used = -1};
    request.minute = {.limit = 60'000, .capacity = 90'000, .want = want, .least = want};
    store.reserve(std::move(request));
    return sink_.collector.take_one();
  }
  // A subject whose keys the i-th primary has.
  static std::string subject_of(int i) {
    for (int n = 0;; ++n) {
      const std::string subject = "c:s" + std::to_string(n);
      const int slot = key_slot(minute_key(subject));
      if (slot >= TestCluster::first_slot(i) && slot < TestCluster::first_slot(i + 1)) {
        return subject;
      }
    }
  }

  ResetCounter sink_;
};

TEST_F(RedisStoreClusterTest, MinuteAndMonthLieTogetherAndEveryNodeHasItsMarker) {
  TestCluster cluster;
  const auto store = open(cluster);
  for (int i = 0; i < 3; ++i) {
    Grant grant;
    ASSERT_TRUE(eventually([&] {
      grant = ask(*store, subject_of(i), 5000);
      return grant.ok;
    }));
    EXPECT_EQ(grant.minute.balance, 5000);
    EXPECT_EQ(cluster.node(i).run({"EXISTS", marker_key_in(TestCluster::first_slot(i))}), "1");
    EXPECT_EQ(cluster.node(i).run({"EXISTS", minute_key(subject_of(i))}), "1");
  }
  EXPECT_EQ(sink_.resets, 0);
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreClusterTest, ANodeThatWasEmptiedIsNoticedAndTheOthersGoOn) {
  TestCluster cluster;
  const auto store = open(cluster);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(eventually([&] { return ask(*store, subject_of(i), 5000).ok; }));
  }
  cluster.node(1).run({"FLUSHALL"});
  ASSERT_TRUE(eventually([&] { return sink_.resets == 1; }));
  EXPECT_EQ(ask(*store, subject_of(0), 6000).pause_us, 0);
  Grant after;
  ASSERT_TRUE(eventually([&] {
    after = ask(*store, subject_of(1), 5000);
    return after.ok && after.pause_us == 0;
  }));
  EXPECT_LT(after.minute.balance + after.minute.level, 5000) << "a full bucket was made anew";
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreClusterTest, SlotsThatMoveTakeNothingWithThemAndVoidNothing) {
  TestCluster cluster;
  const auto store = open(cluster);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(eventually([&] { return ask(*store, subject_of(i), 5000).ok; }));
  }
  // The lowest slot of the first node, where its marker lies, goes to the second, whose lowest it
  // is then.
  const int slot = TestCluster::first_slot(0);
  const std::string marker = marker_key_in(slot);
  cluster.begin_move(slot, 0, 1);
  cluster.move_key(marker, 0, 1);
  cluster.end_move(slot, 0, 1);
  const std::string own = cluster.node(1).run({"INFO", "server"});
  const std::string run_id = own.substr(own.find("run_id:") + 7, 40);
  EXPECT_TRUE(eventually([&] {
    return cluster.node(1).run({"HGET", marker, "run"}) == run_id;
  })) << "the marker speaks of the node that has it now";
  EXPECT_TRUE(eventually([&] {
    return cluster.node(0).run({"EXISTS", marker_key_in(slot + 1)}) == "1";
  })) << "the other one has a new one";
  EXPECT_EQ(sink_.resets, 0);
  for (int i = 0; i < 3; ++i) {
    const Grant grant = ask(*store, subject_of(i), 6000);
    EXPECT_EQ(grant.pause_us, 0);
    EXPECT_EQ(grant.minute.balance, 6000);
  }
  EXPECT_TRUE(store->close().ok());
}

TEST_F(RedisStoreClusterTest, AReplicaThatTakesOverVoidsTheBucketsOfItsNode) {
  TestCluster cluster(true);
  const auto store = open(cluster);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(eventually([&] { return ask(*store, subject_of(i), 5000).ok; }));
  }
  cluster.node(1).kill9();
  ASSERT_TRUE(eventually([&] { return sink_.resets == 1; }, 30));
  EXPECT_EQ(ask(*store, subject_of(0), 6000).pause_us, 0);
  Grant after;
  ASSERT_TRUE(eventually([&] {
    after = ask(*store, subject_of(1), 5000);
    return after.ok && after.pause_us == 0;
  }));
  EXPECT_LT(after.minute.balance + after.minute.level, 5000);
  EXPECT_TRUE(store->close().ok());
}

}  // namespace
}  // namespace quota::store
