#include "store/redis_consumers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "store/test_quotad.h"

namespace quota::store {
namespace {

using redis::testing::eventually;
using State = identity::Answer::State;
using ::testing::HasSubstr;

policy::Consumer consumer(std::string id, std::string tier,
                          const std::vector<std::string>& keys = {}) {
  policy::Consumer result;
  result.id = std::move(id);
  result.tier = std::move(tier);
  for (const std::string& key : keys) result.api_keys.push_back(sha256(key));
  return result;
}

// Over a real server, which all quotads of a test share.
class RedisConsumersTest : public ::testing::Test {
 protected:
  static absl::Status put(TestQuotad& at, const policy::Consumer& consumer) {
    return at.consumers()
        .change_consumer(consumer.id,
                         [&](auto) { return absl::StatusOr<policy::Consumer>(consumer); })
        .status();
  }

  redis::testing::RedisServer server_;
  TestQuotad one_{server_.unix_url()};
  TestQuotad other_{server_.unix_url()};
};

TEST_F(RedisConsumersTest, what_one_quotad_saves_another_finds) {
  const policy::Consumer acme = consumer("acme", "pro", {"first", "second"});
  ASSERT_EQ(put(one_, acme), absl::OkStatus());
  const auto found = other_.consumers().find_consumer("acme");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->api_keys, acme.api_keys);
  EXPECT_EQ(other_.key("second").consumer->id, "acme");
  EXPECT_EQ(other_.id("acme").consumer->tier, "pro");
  EXPECT_FALSE(one_.consumers().find_consumer("zenith")->has_value());
  EXPECT_EQ(one_.key("third").state, State::kAbsent);
}

TEST_F(RedisConsumersTest, a_change_reaches_every_quotad) {
  ASSERT_EQ(put(one_, consumer("acme", "free", {"key"})), absl::OkStatus());
  EXPECT_TRUE(other_.soon("key", "free"));
  const uint64_t before = other_.directory.generation();
  ASSERT_EQ(put(one_, consumer("acme", "pro", {"key"})), absl::OkStatus());
  EXPECT_TRUE(other_.soon("key", "pro"));
  EXPECT_TRUE(one_.soon("key", "pro"));
  EXPECT_GT(other_.directory.generation(), before);
}

TEST_F(RedisConsumersTest, a_new_key_works_where_it_was_unknown_before) {
  EXPECT_EQ(other_.key("key").state, State::kAbsent);
  ASSERT_EQ(put(one_, consumer("acme", "pro", {"key"})), absl::OkStatus());
  EXPECT_TRUE(other_.soon("key", "pro"));
}

TEST_F(RedisConsumersTest, a_revoked_key_and_a_removed_consumer_are_unknown_everywhere) {
  ASSERT_EQ(put(one_, consumer("acme", "pro", {"key", "kept"})), absl::OkStatus());
  EXPECT_TRUE(other_.soon("key", "pro"));
  ASSERT_EQ(put(one_, consumer("acme", "pro", {"kept"})), absl::OkStatus());
  EXPECT_TRUE(other_.soon("key", "nobody"));
  EXPECT_TRUE(other_.soon("kept", "pro"));
  ASSERT_EQ(one_.consumers().remove_consumer("acme"), absl::OkStatus());
  EXPECT_TRUE(other_.soon("kept", "nobody"));
  EXPECT_EQ(one_.consumers().remove_consumer("acme").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(server_.run({"KEYS", "*"}), "");
}

TEST_F(RedisConsumersTest, a_key_of_another_consumer_is_refused_with_its_name) {
  ASSERT_EQ(put(one_, consumer("acme", "pro", {"key"})), absl::OkStatus());
  EXPECT_EQ(put(other_, consumer("thief", "pro", {"own", "key"})),
            key_is_taken(sha256("key"), "acme"));
  EXPECT_FALSE(other_.consumers().find_consumer("thief")->has_value());
  EXPECT_EQ(other_.key("own").state, State::kAbsent);
  ASSERT_EQ(one_.consumers().remove_consumer("acme"), absl::OkStatus());
  EXPECT_EQ(put(other_, consumer("heir", "pro", {"key"})), absl::OkStatus());
}

TEST_F(RedisConsumersTest, an_index_that_leads_nowhere_binds_nobody) {
  ASSERT_EQ(put(one_, consumer("acme", "pro", {"key"})), absl::OkStatus());
  server_.run({"HSET", "quota:{consumers}:by_key", to_hex(sha256("lost")), "acme",
               to_hex(sha256("ghostly")), "ghost"});
  EXPECT_EQ(one_.key("lost").state, State::kAbsent);
  EXPECT_EQ(one_.key("ghostly").state, State::kAbsent);
  ASSERT_EQ(put(one_, consumer("heir", "free", {"lost", "ghostly"})), absl::OkStatus());
  EXPECT_TRUE(one_.soon("lost", "free"));
}

TEST_F(RedisConsumersTest, a_record_that_cannot_be_read_is_absent_and_can_be_replaced) {
  for (const char* broken : {"{", "[]", "17", R"({"id":"acme","api_keys":7})", "\xff\xfe"}) {
    server_.run({"HSET", "quota:{consumers}:by_id", "acme", broken});
    server_.run({"HSET", "quota:{consumers}:by_key", to_hex(sha256("key")), "acme"});
    server_.run({"PUBLISH", "quota:consumers", "acme " + to_hex(sha256("key"))});
    EXPECT_TRUE(one_.soon("key", "nobody")) << broken;
    EXPECT_FALSE(one_.consumers().find_consumer("acme")->has_value());
    EXPECT_TRUE(one_.consumers().list_consumers("", 10)->empty());
    EXPECT_EQ(put(one_, consumer("acme", "pro", {"key"})), absl::OkStatus()) << broken;
    EXPECT_TRUE(one_.soon("key", "pro"));
  }
  EXPECT_GT(one_.redis_consumers().unreadable(), 0u);
}

TEST_F(RedisConsumersTest, a_message_names_the_keys_that_a_consumer_had_and_has) {
  const std::unique_ptr<redisContext, decltype(&redisFree)> listener(
      redisConnectUnix(server_.socket_path().c_str()), redisFree);
  const auto next = [&] {
    void* reply = nullptr;
    if (redisGetReply(listener.get(), &reply) != REDIS_OK) return std::string("broken");
    const std::unique_ptr<void, decltype(&freeReplyObject)> owned(reply, freeReplyObject);
    const redisReply& last = *static_cast<redisReply*>(reply)->element[2];
    return last.type == REDIS_REPLY_STRING ? std::string(last.str, last.len) : "subscribed";
  };
  redisAppendCommand(listener.get(), "SUBSCRIBE quota:consumers");
  EXPECT_EQ(next(), "subscribed");
  const std::string had = to_hex(sha256("had"));
  const std::string has = to_hex(sha256("has"));
  ASSERT_EQ(put(one_, consumer("acme", "pro", {"had"})), absl::OkStatus());
  ASSERT_EQ(put(one_, consumer("acme", "pro", {"has"})), absl::OkStatus());
  ASSERT_EQ(one_.consumers().remove_consumer("acme"), absl::OkStatus());
  EXPECT_EQ(next(), "acme " + had);
  EXPECT_EQ(next(), "acme " + had + " " + has);
  EXPECT_EQ(next(), "acme " + has);
}

TEST_F(RedisConsumersTest, messages_of_others_are_taken_as_they_come) {
  ASSERT_EQ(put(one_, consumer("acme", "pro", {"key"})), absl::OkStatus());
  EXPECT_TRUE(one_.soon("key", "pro"));
  for (const std::string& message : {std::string(), std::string(" "), std::string("acme  zz "),
                                     std::string("\0\xff", 2), std::string(100'000, ' ')}) {
    server_.run({"PUBLISH", "quota:consumers", message});
  }
  const uint64_t before = one_.directory.generation();
  server_.run({"HSET", "quota:{consumers}:by_id", "acme",
               R"({"id":"acme","tier":"free","api_keys":[")" + to_hex(sha256("key")) + "\"]}"});
  server_.run({"PUBLISH", "quota:consumers", "acme"});
  EXPECT_TRUE(one_.soon("key", "free"));
  EXPECT_GT(one_.directory.generation(), before);
}

TEST_F(RedisConsumersTest, the_list_is_ordered_and_comes_in_pages) {
  for (int i = 0; i < 2500; ++i) {
    const std::string id = "c" + std::to_string(10'000 + i);
    server_.run({"HSET", "quota:{consumers}:by_id", id, R"({"id":")" + id + "\"}"});
  }
  std::vector<std::string> ids;
  for (std::string after;;) {
    const auto page = one_.consumers().list_consumers(after, 1000);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const policy::Consumer& each : *page) ids.push_back(each.id);
    if (page->size() < 1000) break;
    after = ids.back();
  }
  ASSERT_EQ(ids.size(), 2500u);
  EXPECT_TRUE(std::ranges::is_sorted(ids));
  EXPECT_EQ(ids.front(), "c10000");
  EXPECT_EQ(ids.back(), "c12499");
}

TEST_F(RedisConsumersTest, changes_by_two_quotads_at_the_same_time_all_count) {
  const auto add_keys = [](TestQuotad& at, const std::string& name) {
    for (int i = 0; i < 20; ++i) {
      absl::Status status;
      do {
        status = at.consumers()
                     .change_consumer("acme",
                                      [&](const std::optional<policy::Consumer>& before) {
                                        policy::Consumer after =
                                            before.value_or(consumer("acme", "pro"));
                                        after.api_keys.push_back(sha256(name + std::to_string(i)));
                                        return absl::StatusOr<policy::Consumer>(after);
                                      })
                     .status();
      } while (absl::IsUnavailable(status));
      EXPECT_EQ(status, absl::OkStatus());
    }
  };
  std::thread thread([&] { add_keys(other_, "other"); });
  add_keys(one_, "one");
  thread.join();
  EXPECT_EQ((*one_.consumers().find_consumer("acme"))->api_keys.size(), 40u);
}

TEST_F(RedisConsumersTest, a_refused_change_writes_nothing) {
  const auto refused = one_.consumers().change_consumer(
      "acme", [](auto) { return absl::StatusOr<policy::Consumer>(absl::CancelledError("no")); });
  EXPECT_EQ(refused.status(), absl::CancelledError("no"));
  EXPECT_EQ(server_.run({"KEYS", "*"}), "");
}

TEST_F(RedisConsumersTest, known_consumers_stay_known_while_redis_is_away) {
  ASSERT_EQ(put(one_, consumer("acme", "pro", {"key"})), absl::OkStatus());
  EXPECT_TRUE(one_.soon("key", "pro"));
  server_.kill9();
  EXPECT_TRUE(eventually([&] { return !one_.consumers().find_consumer("acme").ok(); }));
  EXPECT_EQ(one_.key("key").state, State::kKnown);
  EXPECT_EQ(one_.key("key", 600'000'000).state, State::kKnown);
  EXPECT_EQ(one_.key("never seen").state, State::kUnavailable);
  EXPECT_THAT(std::string(put(one_, consumer("acme", "free")).message()), HasSubstr("Redis"));
}

TEST_F(RedisConsumersTest, after_redis_was_away_everything_is_looked_up_again) {
  EXPECT_EQ(one_.key("key").state, State::kAbsent);
  const uint64_t before = one_.directory.generation();
  server_.restart_empty();
  server_.run({"HSET", "quota:{consumers}:by_id", "acme",
               R"({"id":"acme","tier":"pro","api_keys":[")" + to_hex(sha256("key")) + "\"]}"});
  server_.run({"HSET", "quota:{consumers}:by_key", to_hex(sha256("key")), "acme"});
  EXPECT_TRUE(one_.soon("key", "pro"));
  EXPECT_GT(one_.directory.generation(), before);
}

TEST_F(RedisConsumersTest, a_redis_that_hangs_is_not_waited_for) {
  TestQuotad hasty(server_.unix_url(), 250'000);
  server_.pause();
  for (TestQuotad* quotad : {&one_, &hasty}) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(quotad->consumers().find_consumer("acme").ok());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
  }
  server_.resume();
  for (TestQuotad* quotad : {&one_, &hasty}) {
    EXPECT_TRUE(eventually([&] { return quotad->consumers().find_consumer("acme").ok(); }));
  }
}

TEST_F(RedisConsumersTest, once_it_is_closed_nobody_is_looked_up_and_nobody_waits) {
  server_.pause();
  const auto end = one_.directory.look_up("acme", read_clocks().mono_us, nullptr);
  EXPECT_EQ(end.state, State::kPending);
  one_.stop();
  EXPECT_EQ(one_.directory.stats().in_flight, 0u);
  EXPECT_EQ(one_.directory.look_up("zenith", read_clocks().mono_us, nullptr).state,
            State::kUnavailable);
  EXPECT_THAT(std::string(one_.consumers().find_consumer("acme").status().message()),
              HasSubstr("closed"));
  server_.resume();
}

}  // namespace
}  // namespace quota::store
