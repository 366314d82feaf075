#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "redis/test_client.h"
#include "redis/test_cluster.h"

namespace quota::redis::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

size_t connected_nodes(TestClient& client) {
  size_t count = 0;
  client.client().for_each_node([&](Node&) { ++count; });
  return count;
}

bool start_all(TestClient& client) {
  return client.start() && client.loop().until([&] { return connected_nodes(client) == 3; });
}

// It takes two seconds to begin: those that only move a slot of their own share one.
class SharedCluster : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { shared = std::make_unique<TestCluster>(); }
  static void TearDownTestSuite() { shared.reset(); }

  static std::unique_ptr<TestCluster> shared;
  TestCluster& cluster_ = *shared;
};
std::unique_ptr<TestCluster> SharedCluster::shared;

TEST_F(SharedCluster, SendsEachKeyToItsPrimary) {
  TestClient client(cluster_.url());
  ASSERT_TRUE(start_all(client));
  std::vector<ResultPtr> results;
  std::set<std::string> nodes;
  for (int i = 0; i < 300; ++i) {
    const std::string key = fmt::format("{{user{}}}.bucket", i);
    results.push_back(client.send({"SET", key, "v"}, key));
  }
  for (const ResultPtr& result : results) {
    ASSERT_TRUE(client.wait_for(result));
    EXPECT_EQ(result->text, "OK");
    nodes.insert(result->last_node);
  }
  EXPECT_EQ(nodes.size(), 3U);
  EXPECT_EQ(client.client().counters().redirects, 0U);
  EXPECT_EQ(client.client().counters().slot_refreshes, 1U);
  EXPECT_EQ(client.ask({"PING"}), "PONG");
}

TEST(ClusterClient, StartsFromAnySeedThatAnswersAndAuthenticates) {
  TestCluster cluster(false, "secret");
  RedisServer no_cluster;
  TestClient client(fmt::format("redis-cluster://:secret@127.0.0.1:{},{},{}", free_port(),
                                no_cluster.host_and_port(), cluster.node(2).host_and_port()));
  ASSERT_TRUE(start_all(client));
  EXPECT_TRUE(client.events().ups.front().first);
}

TEST(ClusterClient, SaysWhyNoNodeAnswers) {
  RedisServer server({.arguments = {"--cluster-enabled", "yes"}});
  TestClient client("redis-cluster://" + server.host_and_port());
  client.open();
  ASSERT_TRUE(client.loop().until([&] { return !client.events().ups.empty(); }));
  EXPECT_FALSE(client.events().ups[0].first);
  EXPECT_THAT(client.events().ups[0].second, HasSubstr("no slots are served"));
  EXPECT_THAT(client.ask({"GET", "k"}, "k"), HasSubstr("failed: no node of the cluster"));
  server.run({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
  EXPECT_TRUE(client.wait_up());
}

TEST_F(SharedCluster, FollowsASlotThatHasMoved) {
  TestClient client(cluster_.url());
  ASSERT_TRUE(start_all(client));
  const std::string key = TestCluster::key_of(0, 10);
  cluster_.begin_move(key_slot(key), 0, 1);
  cluster_.end_move(key_slot(key), 0, 1);
  const ResultPtr result = client.send({"SET", key, "v"}, key);
  ASSERT_TRUE(client.wait_for(result));
  EXPECT_EQ(result->text, "OK");
  EXPECT_EQ(result->last_node, cluster_.node(1).host_and_port());
  EXPECT_EQ(result->attempts, 2);
  // It is known at once, and all else that has changed soon; though the new map may come from a
  // node that has not heard of it.
  EXPECT_EQ(client.ask({"GET", key}, key), "v");
  EXPECT_LE(client.client().counters().redirects, 2U);
  EXPECT_TRUE(client.loop().until([&] { return client.client().counters().slot_refreshes == 2; }));
}

TEST_F(SharedCluster, AsksTheNewNodeForKeysThatHaveMovedAlready) {
  TestClient client(cluster_.url());
  ASSERT_TRUE(start_all(client));
  const std::string tag = TestCluster::key_of(0, 20);
  const std::string here = fmt::format("{{{}}}here", tag);
  const std::string there = fmt::format("{{{}}}there", tag);
  const Script script{"return redis.call('INCRBY', KEYS[1], 1)", std::string(40, '0')};
  EXPECT_EQ(client.ask({"SET", here, "1"}, here), "OK");
  EXPECT_EQ(client.ask({"SET", there, "2"}, there), "OK");
  cluster_.begin_move(key_slot(tag), 0, 1);
  cluster_.move_key(there, 0, 1);
  EXPECT_EQ(client.ask({"GET", here}, here), "1");
  EXPECT_EQ(client.client().counters().redirects, 0U);
  EXPECT_EQ(client.ask({"GET", there}, there), "2");
  // A script that is not known here goes in full, and keeps its ASKING.
  EXPECT_EQ(client.ask({"1", there}, there, &script), "3");
  EXPECT_EQ(client.client().counters().redirects, 2U);
  EXPECT_EQ(client.client().counters().slot_refreshes, 1U);
}

TEST_F(SharedCluster, WaitsALittleForKeysThatAreApart) {
  TestClient client(cluster_.url());
  ASSERT_TRUE(start_all(client));
  const std::string tag = TestCluster::key_of(0, 30);
  const std::string a = fmt::format("{{{}}}a", tag);
  const std::string b = fmt::format("{{{}}}b", tag);
  client.ask({"SET", a, "1"}, a);
  client.ask({"SET", b, "2"}, b);
  cluster_.begin_move(key_slot(tag), 0, 1);
  cluster_.move_key(a, 0, 1);
  const std::vector<std::string> both = {"DEL", a, b};
  EXPECT_THAT(client.ask(both, a), HasSubstr("TRYAGAIN"));
  const uint64_t retries = client.client().counters().retries;
  EXPECT_GE(retries, 2U);
  const ResultPtr result = client.send(both, a);
  ASSERT_TRUE(client.loop().until([&] { return client.client().counters().retries > retries; }));
  cluster_.move_key(b, 0, 1);
  ASSERT_TRUE(client.wait_for(result));
  EXPECT_EQ(result->text, "2");
}

TEST_F(SharedCluster, WaitsForANodeThatItDoesNotKnowYetButNoLongerThanForAnAnswer) {
  const std::string key = TestCluster::key_of(0, 5);
  cluster_.begin_move(key_slot(key), 0, 1);
  cluster_.node(1).pause();
  TestClient client(cluster_.url(), [](ClientOptions& options) {
    options.command_timeout_us = 100'000;
    options.connect_timeout_us = 5'000'000;
  });
  ASSERT_TRUE(client.start());
  ASSERT_TRUE(client.loop().until([&] { return connected_nodes(client) == 2; }));
  const int64_t begin_us = mono_us();
  const ResultPtr late = client.send({"INCR", key}, key);
  ASSERT_TRUE(client.wait_for(late));
  EXPECT_EQ(late->failure, Failure::kUnavailable);
  EXPECT_THAT(late->text, HasSubstr("yet"));
  EXPECT_GE(mono_us() - begin_us, 95'000);
  const ResultPtr in_time = client.send({"INCR", key}, key);
  ASSERT_TRUE(client.loop().until([&] { return client.client().counters().redirects == 2; }));
  cluster_.node(1).resume();
  ASSERT_TRUE(client.wait_for(in_time));
  EXPECT_EQ(in_time->text, "1");
  cluster_.end_move(key_slot(key), 0, 1);
}

TEST_F(SharedCluster, LosesNothingWhileSlotsMoveUnderTraffic) {
  TestClient client(cluster_.url());
  ASSERT_TRUE(start_all(client));
  std::map<std::string, std::vector<ResultPtr>> sent;
  std::vector<std::string> keys;
  for (int n = 0; n < 8; ++n) keys.push_back(TestCluster::key_of(0, 40 + n));
  const auto traffic = [&] {
    for (const std::string& key : keys) sent[key].push_back(client.send({"INCR", key}, key));
    uv_run(client.loop().get(), UV_RUN_NOWAIT);
  };
  for (const std::string& key : keys) {
    const int slot = key_slot(key);
    for (int i = 0; i < 5; ++i) traffic();
    cluster_.begin_move(slot, 0, 2);
    for (int i = 0; i < 5; ++i) traffic();
    cluster_.move_key(key, 0, 2);
    for (int i = 0; i < 5; ++i) traffic();
    cluster_.end_move(slot, 0, 2);
    for (int i = 0; i < 5; ++i) traffic();
  }
  for (const auto& [key, results] : sent) {
    for (const ResultPtr& result : results) {
      ASSERT_TRUE(client.wait_for(result));
      EXPECT_TRUE(result->answered) << result->text;
      EXPECT_EQ(result->calls, 1);
    }
    EXPECT_EQ(client.ask({"GET", key}, key), std::to_string(results.size()));
  }
  EXPECT_GT(client.client().counters().redirects, 0U);
}

TEST(ClusterClient, FollowsAReplicaThatTakesOver) {
  TestCluster cluster(true);
  TestClient client(cluster.url(),
                    [](ClientOptions& options) { options.command_timeout_us = 500'000; });
  ASSERT_TRUE(start_all(client));
  int subscribed = 0;
  std::vector<std::string> messages;
  client.client().subscribe(
      "news", [&](std::string_view message) { messages.emplace_back(message); },
      [&] { ++subscribed; });
  const std::string lost = TestCluster::key_of(1);
  const std::string kept = TestCluster::key_of(2);
  EXPECT_EQ(client.ask({"SET", lost, "v"}, lost), "OK");
  ASSERT_TRUE(client.loop().until([&] { return subscribed > 0; }));
  cluster.node(1).kill9();
  ASSERT_TRUE(client.loop().until([&] { return connected_nodes(client) == 2; }));
  EXPECT_TRUE(client.client().up());
  const ResultPtr failed = client.send({"GET", lost}, lost);
  EXPECT_EQ(failed->failure, Failure::kUnavailable);
  EXPECT_EQ(failed->calls, 1);
  EXPECT_EQ(client.ask({"SET", kept, "v"}, kept), "OK");
  ASSERT_TRUE(client.loop().until([&] { return connected_nodes(client) == 3; }));
  const ResultPtr found = client.send({"SET", lost, "w"}, lost);
  ASSERT_TRUE(client.wait_for(found));
  EXPECT_EQ(found->text, "OK");
  EXPECT_EQ(found->last_node, cluster.node(4).host_and_port());
  EXPECT_EQ(client.client().counters().failovers, 1U);
  EXPECT_EQ(client.events().ups.size(), 1U);

  // Whichever node it listened to, it listens.
  EXPECT_TRUE(client.loop().until([&] {
    cluster.node(0).run({"PUBLISH", "news", "hello"});
    return !messages.empty();
  }));
}

TEST(ClusterClient, LeavesANodeThatServesNothingAnyMore) {
  TestCluster cluster;
  TestClient client(cluster.url());
  ASSERT_TRUE(start_all(client));
  const std::string key = TestCluster::key_of(1);
  cluster.node(0).run({"CLUSTER", "BUMPEPOCH"});
  for (const int i : {0, 1, 2}) {
    auto cli = cluster.node(i).cli();
    for (int slot = TestCluster::first_slot(1); slot < TestCluster::first_slot(2); ++slot) {
      cli({"CLUSTER", "SETSLOT", std::to_string(slot), "NODE", cluster.id(0)});
    }
  }
  // The servers, which were asked for a lot, may think for a moment that the cluster is down.
  ASSERT_TRUE(client.loop().until([&] { return client.ask({"SET", key, "v"}, key) == "OK"; }));
  EXPECT_TRUE(client.loop().until([&] { return connected_nodes(client) == 2; }));
  EXPECT_TRUE(client.loop().until([&] { return client.ask({"GET", key}, key) == "v"; }));
  EXPECT_TRUE(client.client().up());
}

TEST_F(SharedCluster, TellsEachCommandOnceWhenItIsClosedInTheMiddle) {
  TestClient client(cluster_.url(), [](ClientOptions& options) { options.most_in_flight = 4; });
  ASSERT_TRUE(start_all(client));
  const std::string moved = TestCluster::key_of(0, 50);
  cluster_.begin_move(key_slot(moved), 0, 1);
  cluster_.end_move(key_slot(moved), 0, 1);
  std::vector<ResultPtr> results;
  for (int i = 0; i < 100; ++i) {
    const std::string key = i % 2 == 0 ? moved : TestCluster::key_of(i % 3);
    results.push_back(client.send({"INCR", key}, key));
  }
  ASSERT_TRUE(client.wait_for(results[1]));
  client.close();
  for (const ResultPtr& result : results) EXPECT_EQ(result->calls, 1);
}

TEST(ClusterClient, ComesBackWhenAllNodesDo) {
  TestCluster cluster;
  TestClient client(cluster.url());
  ASSERT_TRUE(start_all(client));
  for (const int i : {0, 1, 2}) cluster.node(i).kill9();
  ASSERT_TRUE(client.wait_down());
  EXPECT_THAT(client.ask({"GET", "k"}, "k"), StartsWith("failed: "));
  for (const int i : {0, 1, 2}) cluster.node(i).start();
  ASSERT_TRUE(client.loop().until([&] { return connected_nodes(client) == 3; }));
  ASSERT_TRUE(client.loop().until([&] { return client.ask({"SET", "k", "v"}, "k") == "OK"; }));
}

}  // namespace
}  // namespace quota::redis::testing
