#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "redis/test_client.h"

namespace quota::redis::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(SingleClient, SpeaksOverTcpAndOverAUnixSocket) {
  RedisServer server;
  for (const std::string& url : {server.tcp_url(), server.unix_url()}) {
    TestClient client(url);
    ASSERT_TRUE(client.start());
    EXPECT_EQ(client.ask({"INCR", "a"}), url == server.tcp_url() ? "1" : "2");
    EXPECT_THAT(client.ask({"CLIENT", "GETNAME"}), "quotad");
  }
}

TEST(SingleClient, FindsTheServerByName) {
  RedisServer server;
  // May be ::1 first, where nobody listens.
  TestClient client("redis://localhost:" + std::to_string(server.port()));
  ASSERT_TRUE(client.start());
  EXPECT_EQ(client.ask({"PING"}), "PONG");
}

TEST(SingleClient, SaysThatThereIsNoSuchHost) {
  TestClient client("redis://no-such-host.invalid");
  client.open();
  ASSERT_TRUE(client.loop().until([&] { return !client.events().ups.empty(); }, 30));
  EXPECT_FALSE(client.events().ups[0].first);
  EXPECT_FALSE(client.events().ups[0].second.empty());
}

TEST(SingleClient, MayBeClosedBeforeItHasBegun) {
  RedisServer server;
  for (const std::string& url :
       {server.tcp_url(), server.unix_url(), std::string("redis://localhost"),
        std::string("redis+unix:///nowhere"), "redis-sentinel://" + server.host_and_port() + "/m",
        "redis-cluster://" + server.host_and_port()}) {
    for (int turns = 0; turns < 4; ++turns) {
      TestClient client(url);
      client.open();
      client.client().subscribe(
          "news", [](std::string_view) {}, nullptr);
      for (int i = 0; i < turns; ++i) uv_run(client.loop().get(), UV_RUN_NOWAIT);
      client.close();
    }
  }
}

TEST(SingleClient, TellsWhatItLearntOfTheNodeBeforeAnyCommandGoesThere) {
  RedisServer server({.arguments = {"--maxmemory-policy", "allkeys-lru"}});
  TestClient client(server.tcp_url());
  std::vector<std::string> order;
  client.events().hook = [&](Node& node, const ClientEvents::Ask& ask,
                             const ClientEvents::Ready& ready) {
    node.tag = 7;
    auto result = std::make_shared<Result>();
    auto command =
        std::make_unique<TestCommand>(std::vector<std::string>{"SET", "k", "first"}, "", result);
    command->then = [&order, result, ready] {
      order.push_back(result->text);
      ready(absl::OkStatus());
    };
    ask(std::move(command));
  };
  client.open();
  EXPECT_FALSE(client.client().up());
  ASSERT_TRUE(client.wait_up());
  EXPECT_THAT(order, ElementsAre("OK"));
  EXPECT_EQ(client.ask({"GET", "k"}), "first");
  ASSERT_EQ(client.events().nodes.size(), 1U);
  EXPECT_EQ(client.events().nodes[0].run_id.size(), 40U);
  EXPECT_EQ(client.events().nodes[0].maxmemory_policy, "allkeys-lru");
  int64_t tag = 0;
  client.client().for_each_node([&](Node& node) { tag = node.tag; });
  EXPECT_EQ(tag, 7);
}

TEST(SingleClient, TriesAgainWhenTheOwnerDoesNotWantTheNode) {
  RedisServer server;
  TestClient client(server.tcp_url());
  int refusals = 3;
  client.events().hook = [&](Node&, const ClientEvents::Ask&, const ClientEvents::Ready& ready) {
    ready(refusals-- > 0 ? absl::FailedPreconditionError("not this one") : absl::OkStatus());
  };
  ASSERT_TRUE(client.start());
  EXPECT_EQ(client.events().nodes.size(), 4U);
  EXPECT_THAT(client.events().ups.front().second, HasSubstr("not this one"));
  EXPECT_EQ(client.client().counters().connect_failures, 3U);
}

TEST(SingleClient, AuthenticatesWithAPasswordOrAsAUser) {
  RedisServer server({.arguments = {"--requirepass", "pass:@/word", "--user", "gate", "on",
                                    ">secret", "~*", "&*", "+@all"},
                      .password = "pass:@/word"});
  TestClient by_password("redis://:pass%3A%40%2Fword@" + server.host_and_port());
  ASSERT_TRUE(by_password.start());
  EXPECT_EQ(by_password.ask({"ACL", "WHOAMI"}), "default");
  TestClient by_user("redis+unix://gate:secret@" + server.socket_path());
  ASSERT_TRUE(by_user.start());
  EXPECT_EQ(by_user.ask({"ACL", "WHOAMI"}), "gate");
}

TEST(SingleClient, SaysThatThePasswordIsWrongAndTriesAgain) {
  RedisServer server({.arguments = {"--requirepass", "right"}, .password = "right"});
  TestClient client("redis://:hunter2@" + server.host_and_port());
  client.open();
  ASSERT_TRUE(client.loop().until([&] { return !client.events().ups.empty(); }));
  EXPECT_FALSE(client.events().ups[0].first);
  EXPECT_THAT(client.events().ups[0].second, HasSubstr("WRONGPASS"));
  EXPECT_THAT(client.ask({"PING"}), HasSubstr("WRONGPASS"));
  EXPECT_EQ(server.run({"CONFIG", "SET", "requirepass", "hunter2"}), "OK");
  EXPECT_TRUE(client.wait_up());
  EXPECT_THAT(client.events().ups[0].second, Not(HasSubstr("hunter2")));
}

TEST(SingleClient, NeverRepeatsThePasswordThatAServerEchoes) {
  RedisServer server({.arguments = {"--rename-command", "AUTH", "LOGIN"}});
  TestClient client("redis://:hunter2@" + server.host_and_port());
  client.open();
  ASSERT_TRUE(client.loop().until([&] { return !client.events().ups.empty(); }));
  EXPECT_THAT(client.events().ups[0].second, HasSubstr("AUTH was refused"));
  EXPECT_THAT(client.events().ups[0].second, Not(HasSubstr("hunter2")));
}

TEST(SingleClient, UsesItsDatabase) {
  RedisServer server;
  TestClient client(server.tcp_url() + "/3");
  ASSERT_TRUE(client.start());
  EXPECT_EQ(client.ask({"SET", "k", "v"}), "OK");
  EXPECT_THAT(server.run({"INFO", "keyspace"}), HasSubstr("db3:keys=1"));
  TestClient none(server.tcp_url() + "/99");
  none.open();
  ASSERT_TRUE(none.loop().until([&] { return !none.events().ups.empty(); }));
  EXPECT_THAT(none.events().ups[0].second, HasSubstr("SELECT 99 was refused"));
}

TEST(SingleClient, SendsAScriptInFullOnlyWhereItIsNotKnown) {
  RedisServer server;
  TestClient client(server.tcp_url());
  ASSERT_TRUE(client.start());
  const Script script{
      "return redis.call('INCRBY', KEYS[1], ARGV[1])",
      server.run({"SCRIPT", "LOAD", "return redis.call('INCRBY', KEYS[1], ARGV[1])"})};
  server.run({"SCRIPT", "FLUSH"});
  EXPECT_EQ(client.ask({"1", "k", "5"}, "k", &script), "5");
  EXPECT_EQ(client.client().counters().retries, 1U);
  EXPECT_EQ(client.ask({"1", "k", "5"}, "k", &script), "10");
  EXPECT_EQ(client.client().counters().retries, 1U);
}

TEST(SingleClient, PassesARefusalOnInWords) {
  RedisServer server;
  TestClient client(server.tcp_url());
  ASSERT_TRUE(client.start());
  const ResultPtr result = client.send({"NOSUCH"});
  ASSERT_TRUE(client.wait_for(result));
  EXPECT_EQ(result->failure, Failure::kRefused);
  EXPECT_THAT(result->text, HasSubstr("unknown command"));
  EXPECT_TRUE(client.client().up());
}

TEST(SingleClient, WritesAllOfATurnAtOnce) {
  RedisServer server;
  TestClient client(server.tcp_url());
  ASSERT_TRUE(client.start());
  const auto reads = [&] {
    const std::string info = server.run({"INFO", "stats"});
    return std::stoll(std::string(info_field(info, "total_reads_processed")));
  };
  const long long before = reads();
  std::vector<ResultPtr> results;
  for (int i = 0; i < 500; ++i) results.push_back(client.send({"INCR", "n"}));
  ASSERT_TRUE(client.wait_for(results.back()));
  EXPECT_EQ(results.back()->text, "500");
  // One for the commands, unless the server read them in two; some for the test's own questions.
  EXPECT_LE(reads() - before, 5);
}

TEST(SingleClient, KeepsTheOrderWhenTheWindowIsFull) {
  RedisServer server;
  TestClient client(server.tcp_url(), [](ClientOptions& options) { options.most_in_flight = 3; });
  ASSERT_TRUE(client.start());
  std::vector<ResultPtr> results;
  for (int i = 0; i < 100; ++i) results.push_back(client.send({"INCR", "n"}));
  ASSERT_TRUE(client.wait_for(results.back()));
  for (size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i]->text, std::to_string(i + 1));
}

TEST(SingleClient, RefusesWhatMayNotWait) {
  RedisServer server;
  TestClient client(server.tcp_url(), [](ClientOptions& options) {
    options.most_in_flight = 2;
    options.most_waiting = 3;
  });
  ASSERT_TRUE(client.start());
  std::vector<ResultPtr> results;
  for (int i = 0; i < 7; ++i) results.push_back(client.send({"INCR", "n"}));
  EXPECT_EQ(results[5]->failure, Failure::kOverload);
  EXPECT_EQ(results[6]->calls, 1);
  ASSERT_TRUE(client.wait_for(results[4]));
  EXPECT_EQ(results[4]->text, "5");
  EXPECT_EQ(client.ask({"INCR", "n"}), "6");
}

TEST(SingleClient, GivesUpAServerThatStandsStill) {
  RedisServer server;
  TestClient client(server.tcp_url(), [](ClientOptions& options) {
    options.command_timeout_us = 60'000;
    options.most_in_flight = 1;
    options.connect_timeout_us = 300'000;
  });
  ASSERT_TRUE(client.start());
  server.pause();
  const int64_t begin_us = mono_us();
  const ResultPtr sent = client.send({"INCR", "n"});
  const ResultPtr waiting = client.send({"INCR", "n"});
  ASSERT_TRUE(client.wait_for(sent) && client.wait_for(waiting));
  EXPECT_EQ(sent->failure, Failure::kTimeout);
  EXPECT_EQ(waiting->failure, Failure::kUnavailable);
  EXPECT_GE(mono_us() - begin_us, 60'000);
  EXPECT_FALSE(client.client().up());
  // Nobody waits for a connection.
  const ResultPtr refused = client.send({"INCR", "n"});
  EXPECT_EQ(refused->calls, 1);
  EXPECT_EQ(refused->failure, Failure::kUnavailable);
  server.resume();
  ASSERT_TRUE(client.wait_up());
  EXPECT_EQ(client.client().counters().timeouts, 1U);
  EXPECT_EQ(sent->calls + waiting->calls, 2);
}

TEST(SingleClient, NoticesAStillServerWithoutCommands) {
  RedisServer server;
  TestClient client(server.tcp_url(), [](ClientOptions& options) {
    options.command_timeout_us = 60'000;
    options.ping_interval_us = 50'000;
  });
  ASSERT_TRUE(client.start());
  server.pause();
  EXPECT_TRUE(client.wait_down());
  server.resume();
  EXPECT_TRUE(client.wait_up());
}

TEST(SingleClient, TakesTheAnswersThatCameWhileItStoodStillItself) {
  RedisServer server;
  TestClient client(server.tcp_url(),
                    [](ClientOptions& options) { options.command_timeout_us = 100'000; });
  ASSERT_TRUE(client.start());
  const ResultPtr result = client.send({"INCR", "n"});
  uv_run(client.loop().get(), UV_RUN_NOWAIT);
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  ASSERT_TRUE(client.wait_for(result));
  EXPECT_EQ(result->text, "1");
  // Nor does it count what it had no time to write, however long that was and however often.
  for (const int ms : {250, 120, 120}) {
    const ResultPtr unwritten = client.send({"PING"});
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    ASSERT_TRUE(client.wait_for(unwritten));
    EXPECT_EQ(unwritten->text, "PONG") << ms;
  }
}

TEST(SingleClient, TellsEachCommandOnceWhatBecameOfItWhenTheServerDies) {
  RedisServer server({.keeps_data = true});
  TestClient client(server.unix_url());
  ASSERT_TRUE(client.start());
  const std::string first_run = client.events().nodes[0].run_id;
  std::vector<ResultPtr> results;
  int told = 0;
  int answered = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 3000; ++i) {
      results.push_back(client.send({"INCR", "n"}));
      if (i % 100 == 0) uv_run(client.loop().get(), UV_RUN_NOWAIT);
    }
    server.restart();
    ASSERT_TRUE(
        client.loop().until([&] { return client.client().up() && results.back()->calls > 0; }));
  }
  for (const ResultPtr& result : results) {
    told += result->calls;
    EXPECT_EQ(result->calls, 1);
    if (result->answered) {
      ++answered;
    } else {
      EXPECT_EQ(result->failure, Failure::kUnavailable);
    }
  }
  EXPECT_EQ(told, 9000);
  EXPECT_GE(std::stoi(client.ask({"GET", "n"})), answered);
  EXPECT_NE(client.events().nodes.back().run_id, first_run);
}

TEST(SingleClient, WaitsForAServerThatComesLater) {
  RedisServer server;
  server.kill9();
  TestClient client(server.tcp_url());
  client.open();
  ASSERT_TRUE(client.loop().until([&] { return !client.events().ups.empty(); }));
  EXPECT_THAT(client.events().ups[0].second, HasSubstr("refused"));
  ASSERT_TRUE(
      client.loop().until([&] { return client.client().counters().connect_failures >= 4; }));
  EXPECT_EQ(client.events().ups.size(), 1U);
  server.start();
  EXPECT_TRUE(client.wait_up());
}

TEST(SingleClient, WaitsUntilAReplicaIsPromoted) {
  RedisServer primary;
  RedisServer replica({.arguments = {"--replicaof", "127.0.0.1", std::to_string(primary.port())}});
  TestClient client(replica.tcp_url());
  client.open();
  ASSERT_TRUE(client.loop().until([&] { return !client.events().ups.empty(); }));
  EXPECT_THAT(client.events().ups[0].second, HasSubstr("replica"));
  EXPECT_THAT(client.ask({"SET", "k", "v"}), StartsWith("failed: "));
  replica.run({"REPLICAOF", "NO", "ONE"});
  ASSERT_TRUE(client.wait_up());
  EXPECT_EQ(client.ask({"SET", "k", "v"}), "OK");
}

TEST(SingleClient, LeavesAServerThatBecameAReplica) {
  RedisServer primary;
  RedisServer server;
  TestClient client(server.tcp_url());
  ASSERT_TRUE(client.start());
  server.run({"REPLICAOF", "127.0.0.1", std::to_string(primary.port())});
  ResultPtr result;
  ASSERT_TRUE(client.loop().until([&] {
    if (!result || result->calls > 0) result = client.send({"SET", "k", "v"});
    return !client.client().up();
  }));
  EXPECT_EQ(result->failure, Failure::kUnavailable);
  server.run({"REPLICAOF", "NO", "ONE"});
  EXPECT_TRUE(client.wait_up());
}

TEST(SingleClient, DoesNotWaitForAScriptThatBlocksTheServer) {
  RedisServer server({.arguments = {"--lua-time-limit", "10"}});
  TestClient client(server.tcp_url());
  ASSERT_TRUE(client.start());
  std::thread blocker([&] { server.run({"EVAL", "while true do end", "0"}); });
  ResultPtr result = client.send({"INCR", "n"});
  ASSERT_TRUE(client.loop().until([&] {
    if (result->calls > 0 && result->answered) result = client.send({"INCR", "n"});
    return result->calls > 0 && !result->answered;
  }));
  EXPECT_EQ(result->failure, Failure::kUnavailable);
  EXPECT_THAT(result->text, StartsWith("BUSY"));
  server.run({"SCRIPT", "KILL"});
  blocker.join();
  ASSERT_TRUE(client.loop().until([&] { return client.ask({"PING"}) == "PONG"; }));
}

TEST(SingleClient, SaysWhenTheServerIsOfACluster) {
  RedisServer server({.arguments = {"--cluster-enabled", "yes"}});
  TestClient client(server.tcp_url());
  ASSERT_TRUE(client.start());
  const ResultPtr result = client.send({"GET", "k"}, "k");
  ASSERT_TRUE(client.wait_for(result));
  EXPECT_EQ(result->failure, Failure::kUnavailable);
  EXPECT_THAT(result->text, HasSubstr("CLUSTERDOWN"));
}

TEST(SingleClient, FailsWhatIsUnderWayWhenItIsClosed) {
  RedisServer server;
  TestClient client(server.tcp_url(), [](ClientOptions& options) { options.most_in_flight = 1; });
  ASSERT_TRUE(client.start());
  const ResultPtr sent = client.send({"INCR", "n"});
  const ResultPtr waiting = client.send({"INCR", "n"});
  bool closed = false;
  client.client().close([&] { closed = true; });
  EXPECT_EQ(sent->failure, Failure::kClosed);
  EXPECT_EQ(sent->calls + waiting->calls, 2);
  const ResultPtr late = client.send({"INCR", "n"});
  EXPECT_EQ(late->calls, 1);
  EXPECT_EQ(late->failure, Failure::kClosed);
  EXPECT_FALSE(closed);
  EXPECT_TRUE(client.loop().until([&] { return closed; }));
}

TEST(SingleClient, MayBeClosedFromEachOfItsCallbacks) {
  RedisServer server;
  for (const std::string where : {"on_node", "on_up", "answered", "failed", "down"}) {
    TestClient client(server.tcp_url());
    bool closed = false;
    const auto close = [&] { client.client().close([&] { closed = true; }); };
    if (where == "on_node") {
      client.events().hook = [&](Node&, const ClientEvents::Ask&,
                                 const ClientEvents::Ready& ready) {
        close();
        ready(absl::OkStatus());
      };
    }
    client.events().up_hook = [&](bool up) {
      if (where == (up ? "on_up" : "down")) close();
    };
    client.open();
    client.loop().until([&] { return closed || client.client().up(); });
    if (!closed) {
      auto result = std::make_shared<Result>();
      auto command = std::make_unique<TestCommand>(std::vector<std::string>{"DEBUG", "SLEEP", "0"},
                                                   "", result);
      if (where == "answered" || where == "failed") command->then = close;
      client.client().send(std::move(command));
      client.send({"PING"});
      if (where == "failed" || where == "down") server.restart();
    }
    EXPECT_TRUE(client.loop().until([&] { return closed; })) << where;
  }
}

TEST(SingleClient, ListensAgainAfterABreak) {
  RedisServer server;
  TestClient client(server.tcp_url(), [](ClientOptions& options) {
    options.ping_interval_us = 20'000;
    options.command_timeout_us = 100'000;
  });
  std::vector<std::string> messages;
  int subscribed = 0;
  ASSERT_TRUE(client.start());
  client.client().subscribe(
      "news", [&](std::string_view message) { messages.emplace_back(message); },
      [&] { ++subscribed; });
  ASSERT_TRUE(client.loop().until([&] { return subscribed == 1; }));
  server.run({"PUBLISH", "news", "one"});
  ASSERT_TRUE(client.loop().until([&] { return messages.size() == 1; }));
  server.restart();
  ASSERT_TRUE(client.loop().until([&] { return subscribed == 2; }));
  server.run({"PUBLISH", "news", "two"});
  ASSERT_TRUE(client.loop().until([&] { return messages.size() == 2; }));
  // A server that stands still is noticed here as well.
  server.pause();
  ASSERT_TRUE(client.wait_down());
  client.loop().until([] { return false; }, 0.3);
  server.resume();
  ASSERT_TRUE(client.loop().until([&] { return subscribed == 3; }));
  server.run({"PUBLISH", "news", "three"});
  ASSERT_TRUE(client.loop().until([&] { return messages.size() == 3; }));
  EXPECT_THAT(messages, ElementsAre("one", "two", "three"));
}

}  // namespace
}  // namespace quota::redis::testing
