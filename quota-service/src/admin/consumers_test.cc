#include "admin/consumers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "admin/test_server.h"

namespace quota::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ConsumersTest : public testing::AdminServerTest {
 protected:
  static std::string digest(const std::string& key) { return to_hex(sha256(key)); }
  static std::string with_key(const std::string& key) {
    return R"({"add_key_sha256": [")" + digest(key) + R"("]})";
  }
  httplib::Result remove(const std::string& id) {
    return client().Delete("/v1/consumers/" + id, bearer());
  }
};

TEST_F(ConsumersTest, PutAddsAConsumerWithAllItMayHave) {
  const auto result = put("bob", R"({"tier": "pro", "billing_day": 15,
      "overrides": {"requests_per_minute": 250}, "add_key_sha256": [")" +
                                     digest("bob-key") + "\"]}");
  ASSERT_EQ(status(result), 201) << result->body;
  EXPECT_EQ(json(result), Json({{"id", "bob"},
                                {"tier", "pro"},
                                {"billing_day", 15},
                                {"overrides", {{"requests_per_minute", 250}}},
                                {"api_keys", {{{"id", digest("bob-key").substr(0, 8)}}}},
                                {"source", "store"}}));
  EXPECT_EQ(consumers_.saved.at("bob").overrides.minute, 250'000);
  ASSERT_NE(directory_.find_by_key(sha256("bob-key")), nullptr);
}

TEST_F(ConsumersTest, PutChangesOnlyWhatItNames) {
  put("bob", R"({"tier": "pro", "billing_day": 15, "overrides": {"requests_per_minute": 250}})");
  const auto result = put("bob", R"({"overrides": {"monthly_quota": 9}})");
  ASSERT_EQ(status(result), 200) << result->body;
  EXPECT_EQ(json(result)["tier"], "pro");
  EXPECT_EQ(json(result)["billing_day"], 15);
  EXPECT_EQ(json(result)["overrides"], Json({{"requests_per_minute", 250}, {"monthly_quota", 9}}));
}

TEST_F(ConsumersTest, NullTakesATierOrAnOverrideBack) {
  put("bob", R"({"tier": "pro", "overrides": {"requests_per_minute": 250}})");
  const auto result = put("bob", R"({"tier": null, "overrides": {"requests_per_minute": null}})");
  ASSERT_EQ(status(result), 200) << result->body;
  EXPECT_EQ(json(result)["tier"], nullptr);
  EXPECT_EQ(json(result)["overrides"], Json::object());
}

TEST_F(ConsumersTest, KeysComeAndGoByTheirId) {
  put("bob", with_key("one"));
  put("bob", with_key("two"));
  EXPECT_EQ(json(get("/v1/consumers/bob"))["api_keys"].size(), 2);
  const auto result =
      put("bob", R"({"remove_key_ids": [")" + digest("one").substr(0, 8) + R"("]})");
  ASSERT_EQ(status(result), 200) << result->body;
  EXPECT_EQ(directory_.find_by_key(sha256("one")), nullptr);
  EXPECT_NE(directory_.find_by_key(sha256("two")), nullptr);
  EXPECT_EQ(status(put("bob", R"({"remove_key_ids": ["00000000"]})")), 404);
  EXPECT_EQ(status(put("bob", R"({"remove_key_ids": [""]})")), 404);
}

TEST_F(ConsumersTest, AKeyIsNeverShownWhole) {
  const auto result = put("bob", with_key("one"));
  EXPECT_THAT(result->body, Not(HasSubstr(digest("one"))));
  EXPECT_THAT(get("/v1/consumers")->body, Not(HasSubstr(digest("one"))));
}

TEST_F(ConsumersTest, AKeyBelongsToOneConsumer) {
  put("bob", with_key("one"));
  const auto in_store = put("eve", with_key("one"));
  EXPECT_EQ(status(in_store), 409);
  EXPECT_THAT(detail(in_store), HasSubstr("belongs to consumer bob"));
  const auto in_policy = put("eve", with_key("acme-key"));
  EXPECT_EQ(status(in_policy), 409);
  EXPECT_THAT(detail(in_policy), HasSubstr("belongs to consumer acme"));
  EXPECT_EQ(directory_.find("eve"), nullptr);
}

TEST_F(ConsumersTest, AConsumerOfThePolicyIsChangedThere) {
  for (const auto& result : {put("acme", "{}"), remove("acme")}) {
    EXPECT_EQ(status(result), 409);
    EXPECT_THAT(detail(result), HasSubstr("change it there"));
  }
  EXPECT_EQ(json(get("/v1/consumers/acme"))["source"], "policy.yaml");
}

TEST_F(ConsumersTest, WhatThePolicyWouldRefuseIsRefused) {
  const std::pair<const char*, const char*> bad[] = {
      {R"({"tier": "gold"})", "it has free, pro, enterprise"},
      {R"({"tier": 1})", "tier must be a text"},
      {R"({"billing_day": 0})", "from 1 to 31"},
      {R"({"billing_day": 32})", "from 1 to 31"},
      {R"({"billing_day": 1.5})", "whole number"},
      {R"({"billing_day": "1"})", "whole number"},
      {R"({"billing_day": null})", "whole number"},
      {R"({"overrides": []})", "must be a JSON object"},
      {R"({"overrides": {"requests_per_minute": 0}})", "from 1 to"},
      {R"({"overrides": {"requests_per_minute": -1}})", "from 1 to"},
      {R"({"overrides": {"requests_per_minute": 1}})", "could never pay for /compare"},
      {R"({"overrides": {"monthly_quota": 1}})", "could never pay for /compare"},
      {R"({"overrides": {"requests_per_minute": 1e3}})", "whole number"},
      {R"({"overrides": {"requests_per_minute": 1000000001}})", "to 1000000000"},
      {R"({"overrides": {"monthly_quota": 18446744073709551615}})", "from 1 to"},
      {R"({"overrides": {"monthly_quota": 99999999999999999999999}})", "from 1 to"},
      {R"({"overrides": {"per_hour": 1}})", "use requests_per_minute, monthly_quota"},
      {R"({"add_key_sha256": "x"})", "must be a list of texts"},
      {R"({"add_key_sha256": [1]})", "must be a list of texts"},
      {R"({"add_key_sha256": ["qg_the-key-itself"]})", "64 hexadecimal digits"},
      {R"({"add_key_sha256":
          ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]})",
       "empty text"},
      {R"({"api_key": "secret"})", "not known here"},
      {"[]", "must be a JSON object"},
      {"", "not valid JSON"},
      {"{", "not valid JSON, from byte 2"},
      {"{\"tier\": \"\xff\"}", "not valid JSON"},
      {"null", "must be a JSON object"},
  };
  for (const auto& [body, sentence] : bad) {
    const auto result = put("bob", body);
    EXPECT_EQ(status(result), 400) << body;
    EXPECT_THAT(detail(result), HasSubstr(sentence)) << body;
    EXPECT_THAT(result->body, Not(HasSubstr("secret"))) << body;
    EXPECT_THAT(result->body, Not(HasSubstr("qg_the"))) << body;
  }
  EXPECT_TRUE(consumers_.saved.empty());
}

TEST_F(ConsumersTest, IdsAreWhatThePolicyTakesForIds) {
  for (const char* id : {"a%20b", "%C3%A9", "%FF%FE", "a%0Ab", "a%00b", "%01"}) {
    const auto result = put(id, "{}");
    EXPECT_EQ(status(result), 400) << id;
    EXPECT_THAT(detail(result), HasSubstr("1 to 128 ASCII letters")) << id;
    EXPECT_EQ(status(get(std::string("/v1/consumers/") + id)), 404) << id;
    EXPECT_EQ(status(get(std::string("/v1/quota/") + id)), 404) << id;
    EXPECT_EQ(status(remove(id)), 404) << id;
  }
  EXPECT_EQ(status(put(std::string(129, 'a'), "{}")), 400);
}

TEST_F(ConsumersTest, AnIdMayLookLikeAPath) {
  for (const std::string id : {"..%2F..%2Fetc%2Fpasswd", "a/b", "%3Fx%3D1", "x%2Freset"}) {
    ASSERT_EQ(status(put(id, "{}")), 201) << id;
    EXPECT_EQ(status(get("/v1/consumers/" + id)), 200) << id;
    EXPECT_EQ(status(get("/v1/quota/" + id)), 200) << id;
    EXPECT_EQ(status(post("/v1/quota/" + id + "/reset")), 200) << id;
  }
  EXPECT_TRUE(consumers_.saved.contains("../../etc/passwd"));
  EXPECT_TRUE(consumers_.saved.contains("?x=1"));
}

TEST_F(ConsumersTest, RemovedConsumersAndTheirKeysAreGone) {
  put("bob", with_key("one"));
  EXPECT_EQ(status(remove("bob")), 204);
  EXPECT_EQ(status(get("/v1/consumers/bob")), 404);
  EXPECT_EQ(directory_.find_by_key(sha256("one")), nullptr);
  EXPECT_TRUE(consumers_.saved.empty());
  EXPECT_EQ(status(remove("bob")), 404);
}

TEST_F(ConsumersTest, WhatTheStoreCannotKeepIsNotInMemoryEither) {
  put("bob", R"({"tier": "pro"})");
  consumers_.broken = true;
  const auto result = put("bob", R"({"tier": "free"})");
  EXPECT_EQ(status(result), 503);
  EXPECT_THAT(detail(result), HasSubstr("disk is full"));
  EXPECT_EQ(directory_.find("bob")->tier, "pro");
  EXPECT_EQ(status(remove("bob")), 503);
  EXPECT_NE(directory_.find("bob"), nullptr);
}

TEST_F(ConsumersTest, TheListIsOrderedAndComesInPages) {
  put("bob", "{}");
  put("zoe", "{}");
  const Json first = json(get("/v1/consumers?limit=3"));
  ASSERT_EQ(first["consumers"].size(), 3);
  EXPECT_EQ(first["consumers"][0]["id"], "acme");
  EXPECT_EQ(first["consumers"][2]["id"], "bob");
  EXPECT_EQ(first["next"], "bob");
  const Json second = json(get("/v1/consumers?limit=3&after=bob"));
  ASSERT_EQ(second["consumers"].size(), 1);
  EXPECT_EQ(second["consumers"][0]["id"], "zoe");
  EXPECT_EQ(second["next"], nullptr);
  for (const char* bad : {"0", "-1", "x", "99999", ""}) {
    EXPECT_EQ(status(get(std::string("/v1/consumers?limit=") + bad)), 400) << bad;
  }
}

TEST_F(ConsumersTest, ChangesAtTheSameTimeAllCount) {
  std::vector<std::thread> writers;
  writers.reserve(8);
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back(
        [&, i] { EXPECT_LT(status(put("bob", with_key("key" + std::to_string(i)))), 300); });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(directory_.find("bob")->api_keys.size(), 8);
  EXPECT_EQ(consumers_.saved.at("bob").api_keys.size(), 8);
}

}  // namespace
}  // namespace quota::admin
