#include "admin/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/peek.h"
#include "admin/test_server.h"

namespace quota::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ExplainTest : public testing::AdminServerTest {
 protected:
  // No token: explaining changes nothing.
  httplib::Result explain(const std::string& facts) {
    return client().Post("/v1/explain", facts, "application/json");
  }

  // Spends for real, as a gateway would make quotad do.
  void spend(std::string_view subject, bool anonymous, policy::Limits limits, int64_t units) {
    engine::Charge charge;
    charge.subject = subject;
    charge.anonymous = anonymous;
    charge.limits = limits;
    charge.cost = units * policy::kMilli;
    const auto decision = wait_for_decision(charge, [&](auto& made, auto make_waiter) {
      return engine_.decide(charge, read_clocks(), made, make_waiter);
    });
    ASSERT_TRUE(decision.ok());
    ASSERT_EQ(decision->outcome, engine::Outcome::kAllowed);
  }
};

TEST_F(ExplainTest, SaysWhoAndHowAndWhatItCosts) {
  const auto result =
      explain(R"({"path": "/compare", "api_key": "acme-key", "client_ip": "192.0.2.7"})");
  ASSERT_EQ(status(result), 200) << result->body;
  const Json said = json(result);
  EXPECT_EQ(said["identity"]["how"], "api_key");
  EXPECT_EQ(said["identity"]["consumer"], "acme");
  EXPECT_EQ(said["identity"]["tier"], "pro");
  EXPECT_EQ(said["endpoint"],
            Json({{"rule", "/compare"}, {"cost", 2}, {"hits", 1}, {"total_cost", 2}}));
  EXPECT_EQ(said["limits"]["requests_per_minute"], 5000);
  EXPECT_EQ(said["decision"]["allowed"], true);
  EXPECT_EQ(said["decision"]["outcome"], "allowed");
  EXPECT_EQ(said["decision"]["month"]["limit"], 1'000'000);
  EXPECT_THAT(said["decision"]["why"].get<std::string>(), HasSubstr("costs 2"));
}

TEST_F(ExplainTest, TakesNothing) {
  const std::string facts = R"({"path": "/identify", "client_ip": "192.0.2.7", "hits": 20})";
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(json(explain(facts))["decision"]["minute"]["remaining"], 30);
  }
}

TEST_F(ExplainTest, SaysWhyItWouldBeDeniedAndWhenNot) {
  const IpAddress ip = *IpAddress::parse("192.0.2.7");
  spend("a:" + std::string(ip.bytes()), true, {30'000, -1}, 30);
  const Json said = json(explain(R"({"path": "/identify", "client_ip": "192.0.2.7"})"));
  EXPECT_EQ(said["decision"]["allowed"], false);
  EXPECT_EQ(said["decision"]["reason"], "minute");
  EXPECT_GT(said["decision"]["retry_after_ms"], 0);
  EXPECT_THAT(said["decision"]["why"].get<std::string>(), HasSubstr("the minute has only"));
}

TEST_F(ExplainTest, AFreeEndpointIsExempt) {
  const Json said = json(explain(R"({"method": "OPTIONS", "path": "/compare"})"));
  EXPECT_EQ(said["endpoint"]["rule"], "OPTIONS *");
  EXPECT_EQ(said["decision"]["outcome"], "exempt");
  EXPECT_EQ(said["decision"]["allowed"], true);
}

TEST_F(ExplainTest, AttributesMayChangeTheLimits) {
  const Json said = json(
      explain(R"({"path": "/identify", "api_key": "acme-key", "attributes": {"country": "XX"}})"));
  EXPECT_EQ(said["limits"]["requests_per_minute"], 10);
  EXPECT_EQ(said["limits_overridden"], true);
}

TEST_F(ExplainTest, AddressesOfTheAllowlistAreNamed) {
  const Json said = json(explain(R"({"path": "/identify", "client_ip": "10.1.2.3"})"));
  EXPECT_EQ(said["identity"]["how"], "allowlist");
  EXPECT_EQ(said["limits"]["requests_per_minute"], 1000);
}

TEST_F(ExplainTest, HalfUnitsStayHalf) {
  const Json said = json(explain(R"({"path": "/tiny", "hits": 3})"));
  EXPECT_EQ(said["endpoint"]["cost"], 0.5);
  EXPECT_EQ(said["endpoint"]["total_cost"], 1.5);
}

TEST_F(ExplainTest, NeverRepeatsACredential) {
  for (const char* facts :
       {R"({"path": "/identify", "api_key": "hunter2-secret", "bearer": "hunter2-secret"})",
        R"({"path": "/identify", "api_key": "hunter2-secret" "oops"})",
        R"({"path": "/identify", "api_key": ["hunter2-secret"]})",
        R"({"path": "/identify", "hunter2-secret": "hunter2-secret"})",
        R"({"path": "hunter2-secret", "api_key": "hunter2-secret"})", "hunter2-secret"}) {
    const auto result = explain(facts);
    ASSERT_TRUE(result) << facts;
    EXPECT_THAT(result->body, Not(HasSubstr("hunter2"))) << facts;
  }
  const Json said = json(explain(R"({"path": "/identify", "api_key": "hunter2-secret"})"));
  EXPECT_EQ(said["identity"]["kind"], "anonymous");
  EXPECT_THAT(said["identity"]["why"].get<std::string>(), HasSubstr("stand for nobody"));
}

TEST_F(ExplainTest, BadFactsAreRefused) {
  const std::pair<const char*, const char*> bad[] = {
      {"{}", "path must be"},
      {R"({"path": "compare"})", "path must be"},
      {R"({"path": 7})", "path must be a text"},
      {R"({"path": "/", "client_ip": "300.0.0.1"})", "client_ip must be"},
      {R"({"path": "/", "hits": 0})", "hits must be"},
      {R"({"path": "/", "hits": 4294967296})", "hits must be"},
      {R"({"path": "/", "attributes": {"a": 1}})", "attributes must be a text"},
      {R"({"path": "/", "attributes": ["a"]})", "must be a JSON object"},
      {R"({"path": "/", "cost": 5})", "not known here"},
  };
  for (const auto& [facts, sentence] : bad) {
    const auto result = explain(facts);
    EXPECT_EQ(status(result), 400) << facts;
    EXPECT_THAT(detail(result), HasSubstr(sentence)) << facts;
  }
}

TEST_F(ExplainTest, AStoreThatDoesNotAnswerIsSaid) {
  store_.silent = true;
  const auto result = explain(R"({"path": "/identify", "api_key": "acme-key"})");
  EXPECT_EQ(status(result), 503);
  EXPECT_THAT(detail(result), HasSubstr("try again"));
}

TEST_F(ExplainTest, QuotaOfAKnownConsumerShowsLimitsAndUse) {
  const Json quota = json(get("/v1/quota/acme"));
  EXPECT_EQ(quota["consumer"], "acme");
  EXPECT_EQ(quota["tier"], "pro");
  EXPECT_EQ(quota["minute"]["remaining"], 5000);
  EXPECT_EQ(quota["month"]["limit"], 1'000'000);
  EXPECT_EQ(quota["used_this_month"], 0);
  spend("c:acme", false, {5'000'000, 1'000'000'000}, 40);
  const Json after = json(get("/v1/quota/acme"));
  EXPECT_LT(after["minute"]["remaining"], 5000);
  EXPECT_EQ(after["used_this_month"], 40);
}

TEST_F(ExplainTest, QuotaOfAnUnlimitedConsumerShowsWhatTheStoreHasRecorded) {
  const Json quota = json(get("/v1/quota/big"));
  EXPECT_EQ(quota["limits"]["unlimited"], true);
  EXPECT_EQ(quota["minute"], nullptr);
  EXPECT_EQ(quota["used_this_month"], 7);
}

TEST_F(ExplainTest, ResetGivesAFreshStart) {
  get("/v1/quota/acme");
  spend("c:acme", false, {5'000'000, 1'000'000'000}, 40);
  const auto result = post("/v1/quota/acme/reset");
  ASSERT_EQ(status(result), 200) << result->body;
  EXPECT_EQ(json(result)["minute"]["remaining"], 5000);
  EXPECT_EQ(json(result)["used_this_month"], 0);
}

TEST_F(ExplainTest, ConsumersThatOnlyAGatewayNamesHaveTheDefaultTier) {
  EXPECT_EQ(json(get("/v1/quota/stranger"))["tier"], "free");
}

TEST_F(ExplainTest, WithoutTrustAnUnrecordedConsumerIsNobody) {
  write_policy("version: 1\ntiers: {free: {requests_per_minute: 7}}\n");
  ASSERT_EQ(status(post("/v1/reload")), 200);
  EXPECT_EQ(status(get("/v1/quota/stranger")), 404);
  EXPECT_EQ(status(post("/v1/quota/stranger/reset")), 404);
}

}  // namespace
}  // namespace quota::admin
