#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/test_client.h"

namespace quota::redis::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A primary, a replica and three sentinels. They call a server dead as soon as they well can: below
// a second, they would do so to the new primary, to which they connect only once in a second.
class Sentinels {
 public:
  explicit Sentinels(int count = 3, const std::string& password = "")
      : primary_(std::make_unique<RedisServer>()),
        replica_(std::make_unique<RedisServer>(RedisServer::Options{
            .arguments = {"--replicaof", "127.0.0.1", std::to_string(primary_->port())}})) {
    std::vector<std::string> lines = {
        fmt::format("sentinel monitor main 127.0.0.1 {} {}", primary_->port(), count / 2 + 1),
        "sentinel down-after-milliseconds main 1500", "sentinel failover-timeout main 3000"};
    if (!password.empty()) lines.push_back("requirepass " + password);
    for (int i = 0; i < count; ++i) {
      sentinels_.push_back(std::make_unique<RedisServer>(
          RedisServer::Options{.arguments = lines, .password = password, .sentinel = true}));
    }
  }

  // Each knows the others and the replica, so that they can agree on a failover.
  bool wait_ready() {
    return eventually([this] {
      for (const auto& sentinel : sentinels_) {
        const std::string info = sentinel->run({"INFO", "sentinel"});
        const std::string expected = fmt::format("slaves=1,sentinels={}", sentinels_.size());
        if (info.find(expected) == std::string::npos) return false;
      }
      return replica_->run({"INFO", "replication"}).find("master_link_status:up") !=
             std::string::npos;
    });
  }

  std::string url(const std::string& credentials = "") const {
    std::string addresses;
    for (const auto& sentinel : sentinels_) {
      if (!addresses.empty()) addresses += ',';
      addresses += sentinel->host_and_port();
    }
    return fmt::format("redis-sentinel://{}{}/main", credentials, addresses);
  }

  RedisServer& primary() { return *primary_; }
  RedisServer& replica() { return *replica_; }
  RedisServer& sentinel(size_t i) { return *sentinels_[i]; }

 private:
  std::unique_ptr<RedisServer> primary_, replica_;
  std::vector<std::unique_ptr<RedisServer>> sentinels_;
};

TEST(SentinelClient, FollowsThePrimaryToWhereItMoves) {
  Sentinels sentinels;
  ASSERT_TRUE(sentinels.wait_ready());
  TestClient client(sentinels.url());
  std::vector<std::string> messages;
  int subscribed = 0;
  ASSERT_TRUE(client.start());
  client.client().subscribe(
      "news", [&](std::string_view message) { messages.emplace_back(message); },
      [&] { ++subscribed; });
  EXPECT_EQ(client.ask({"SET", "k", "v"}), "OK");
  ASSERT_TRUE(client.loop().until([&] { return subscribed == 1; }));
  EXPECT_EQ(client.events().nodes.back().address.port, sentinels.primary().port());

  sentinels.primary().kill9();
  ASSERT_TRUE(client.wait_down());
  ASSERT_TRUE(client.wait_up());
  EXPECT_EQ(client.events().nodes.back().address.port, sentinels.replica().port());
  EXPECT_EQ(client.ask({"SET", "k", "w"}), "OK");
  EXPECT_EQ(client.client().counters().failovers, 1U);
  ASSERT_TRUE(client.loop().until([&] { return subscribed == 2; }));
  sentinels.replica().run({"PUBLISH", "news", "moved"});
  ASSERT_TRUE(client.loop().until([&] { return messages.size() == 1; }));

  // It thinks that it is a primary until the sentinels tell it.
  sentinels.primary().start();
  client.loop().until([&] { return client.events().nodes.size() > 2; }, 0.5);
  EXPECT_EQ(client.ask({"GET", "k"}), "w");
  EXPECT_EQ(client.events().nodes.size(), 2U);
}

TEST(SentinelClient, FollowsAnOrderlyFailoverAtOnce) {
  Sentinels sentinels;
  ASSERT_TRUE(sentinels.wait_ready());
  TestClient client(sentinels.url());
  ASSERT_TRUE(client.start());
  ASSERT_EQ(sentinels.sentinel(1).run({"SENTINEL", "FAILOVER", "main"}), "OK");
  ASSERT_TRUE(client.loop().until([&] {
    return client.client().up() &&
           client.events().nodes.back().address.port == sentinels.replica().port();
  }));
  EXPECT_EQ(client.ask({"SET", "k", "v"}), "OK");
}

TEST(SentinelClient, AsksTheNextWhenOneIsGoneOrDoesNotKnow) {
  Sentinels sentinels(1);
  const std::string dead = fmt::format("127.0.0.1:{}", free_port());
  RedisServer ignorant({.sentinel = true});
  TestClient client(fmt::format("redis-sentinel://{},{},{}/main", dead, ignorant.host_and_port(),
                                sentinels.sentinel(0).host_and_port()));
  ASSERT_TRUE(client.start());
  EXPECT_TRUE(client.events().ups.front().first);
}

TEST(SentinelClient, SaysThatNoSentinelKnowsThePrimary) {
  RedisServer ignorant({.sentinel = true});
  TestClient client(fmt::format("redis-sentinel://{}/main", ignorant.host_and_port()));
  client.open();
  ASSERT_TRUE(client.loop().until([&] { return !client.events().ups.empty(); }));
  EXPECT_FALSE(client.events().ups[0].first);
  EXPECT_THAT(client.events().ups[0].second, HasSubstr("knows no main"));
  EXPECT_THAT(client.ask({"PING"}), HasSubstr("failed: no primary known"));
  ignorant.run({"SENTINEL", "MONITOR", "main", "127.0.0.1", std::to_string(ignorant.port()), "1"});
}

TEST(SentinelClient, GivesThePasswordToASentinelThatWantsIt) {
  Sentinels sentinels(1, "secret");
  sentinels.primary().run({"CONFIG", "SET", "requirepass", "secret"});
  TestClient client(sentinels.url(":secret@"));
  ASSERT_TRUE(client.start());
  TestClient wrong(sentinels.url(":hunter2@"));
  wrong.open();
  ASSERT_TRUE(wrong.loop().until([&] { return !wrong.events().ups.empty(); }));
  EXPECT_THAT(wrong.events().ups[0].second, HasSubstr("WRONGPASS"));
  EXPECT_THAT(wrong.events().ups[0].second, Not(HasSubstr("hunter2")));
}

TEST(SentinelClient, KeepsWorkingWithoutSentinels) {
  Sentinels sentinels(1);
  TestClient client(sentinels.url());
  ASSERT_TRUE(client.start());
  sentinels.sentinel(0).kill9();
  EXPECT_FALSE(client.loop().until([&] { return !client.client().up(); }, 0.2));
  EXPECT_EQ(client.ask({"PING"}), "PONG");
  EXPECT_EQ(client.events().ups.size(), 1U);
  sentinels.primary().restart();
  ASSERT_TRUE(client.wait_down());
  EXPECT_THAT(client.ask({"PING"}), HasSubstr("failed: "));
  sentinels.sentinel(0).start();
  EXPECT_TRUE(client.wait_up());
}

}  // namespace
}  // namespace quota::redis::testing
