#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/consumers.h"
#include "admin/explain.h"
#include "admin/quota_view.h"
#include "admin/test_server.h"
#include "identity/fake_source.h"

// The admin API where not every consumer is in memory.
namespace quota::admin {
namespace {

using ::testing::HasSubstr;

// Answers every look-up from the store, on a thread of its own.
class AnsweringSource final : public identity::ConsumerSource {
 public:
  AnsweringSource(identity::PartialDirectory& directory, store::ConsumerStore& store)
      : directory_(directory), store_(store) {
    directory.use(this);
  }
  ~AnsweringSource() override {
    directory_.use(nullptr);
    for (std::thread& thread : threads_) thread.join();
  }

  void look_up(const identity::Question& question) override {
    threads_.emplace_back([this, question] {
      const int64_t now_us = read_clocks().mono_us;
      if (is_away) return directory_.unanswered(question, now_us);
      const auto all = store_.list_consumers("", 1000);
      for (const policy::Consumer& each : *all) {
        const auto* key = std::get_if<Sha256>(&question);
        if (key ? std::ranges::count(each.api_keys, *key) > 0
                : each.id == std::get<std::string>(question)) {
          return directory_.answered(question, each, now_us);
        }
      }
      directory_.answered(question, std::nullopt, now_us);
    });
  }

  std::atomic<bool> is_away{false};

 private:
  identity::PartialDirectory& directory_;
  store::ConsumerStore& store_;
  std::vector<std::thread> threads_;
};

class AdminLookupTest : public testing::AdminServerTest {
 protected:
  static std::string with_key(const std::string& key) {
    return R"({"tier": "pro", "add_key_sha256": [")" + to_hex(sha256(key)) + R"("]})";
  }
  Reply put(const std::string& id, const std::string& body) {
    Request request;
    request.body = body;
    return admin_.put(request, id);
  }
  Json explain(const std::string& key) {
    Request request;
    request.body = R"({"path": "/compare", "client_ip": "192.0.2.7", "api_key": ")" + key + "\"}";
    return Json::parse(explainer_.explain(request).body);
  }

  identity::PartialDirectory partial_;
  AnsweringSource source_{partial_, consumers_};
  Consumers admin_{policy_, partial_, consumers_};
  Explainer explainer_{engine_, policy_, partial_};
};

TEST_F(AdminLookupTest, ExplainWaitsForTheLookup) {
  ASSERT_EQ(put("bob", with_key("bob-key")).status, 201);
  EXPECT_EQ(explain("bob-key")["identity"]["consumer"], "bob");
  EXPECT_EQ(explain("no-key")["identity"]["kind"], "anonymous");
  EXPECT_EQ(explain("no-key")["decision"]["degraded"], false);
}

TEST_F(AdminLookupTest, ExplainSaysThatTheStoreCouldNotBeAsked) {
  source_.is_away = true;
  const Json said = explain("bob-key");
  EXPECT_EQ(said["identity"]["kind"], "anonymous");
  EXPECT_THAT(said["identity"]["why"].get<std::string>(), HasSubstr("could not be asked"));
  EXPECT_EQ(said["decision"]["degraded"], true);
}

TEST_F(AdminLookupTest, AChangeIsSeenAtOnce) {
  EXPECT_EQ(explain("bob-key")["identity"]["kind"], "anonymous");
  ASSERT_EQ(put("bob", with_key("bob-key")).status, 201);
  EXPECT_EQ(explain("bob-key")["identity"]["tier"], "pro");
  ASSERT_EQ(put("bob", R"({"tier": "free"})").status, 200);
  EXPECT_EQ(explain("bob-key")["identity"]["tier"], "free");
  ASSERT_EQ(admin_.remove("bob").status, 204);
  EXPECT_EQ(explain("bob-key")["identity"]["kind"], "anonymous");
}

TEST_F(AdminLookupTest, WhatOnlyTheStoreKnowsIsShown) {
  policy::Consumer bob;
  bob.id = "bob";
  bob.tier = "pro";
  consumers_.saved["bob"] = bob;
  EXPECT_EQ(Json::parse(admin_.get("bob").body)["tier"], "pro");
  const Json listed = Json::parse(admin_.list({}).body);
  EXPECT_EQ(listed["consumers"][2]["id"], "bob");
  const QuotaView quota(policy_, consumers_, engine_,
                        [](const std::string&, int32_t) { return int64_t{0}; });
  EXPECT_EQ(Json::parse(quota.get("bob").body)["tier"], "pro");
}

}  // namespace
}  // namespace quota::admin
