#include "admin/admin_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/test_server.h"

namespace quota::admin {
namespace {

using testing::AdminServerTest;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::kJwtSecret;
using testing::kToken;
using ::testing::Not;

TEST_F(AdminServerTest, IsHealthyAsSoonAsItAnswers) { EXPECT_EQ(status(get("/healthz")), 200); }

TEST_F(AdminServerTest, IsReadyOnlyWhileMainSaysSo) {
  EXPECT_EQ(status(get("/readyz")), 200);
  ready_ = false;
  const auto draining = get("/readyz");
  EXPECT_EQ(status(draining), 503);
  EXPECT_THAT(detail(draining), HasSubstr("about to stop"));
  EXPECT_EQ(status(get("/healthz")), 200);
}

TEST_F(AdminServerTest, ReportsTheMetricsOfEveryPart) {
  metrics_.add(std::make_shared<EngineCollector>(engine_));
  metrics_.add(std::make_shared<PolicyCollector>(policy_));
  metrics_.add(std::make_shared<StoreCollector>([] {
    return StoreCollector::Sample{
        .up = false, .degraded = true, .requests = {{"reserve", "ok", 3}}};
  }));
  metrics_.add(std::make_shared<BuildCollector>("1.2.3"));
  const auto result = get("/metrics");
  ASSERT_EQ(status(result), 200);
  EXPECT_THAT(result->get_header_value("Content-Type"), HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(result->body,
              AllOf(HasSubstr("quota_subjects{kind=\"consumer\"} 0\n"),
                    HasSubstr("quota_policy_loads_total{result=\"loaded\"} 1\n"),
                    HasSubstr("quota_policy_info{hash=\"" + policy_.get()->hash + "\"} 1\n"),
                    HasSubstr("quota_store_up 0\n"), HasSubstr("quota_degraded 1\n"),
                    HasSubstr("quota_store_requests_total{op=\"reserve\",result=\"ok\"} 3\n"),
                    HasSubstr("quota_build_info{version=\"1.2.3\"} 1\n")));
}

TEST_F(AdminServerTest, ShowsThePolicyWithoutItsSecrets) {
  const auto result = get("/v1/policy");
  ASSERT_EQ(status(result), 200);
  EXPECT_EQ(json(result)["hash"], policy_.get()->hash);
  EXPECT_EQ(json(result)["burst"], 1.5);
  EXPECT_EQ(json(result)["identity"]["jwt"]["algorithm"], "HS256");
  EXPECT_THAT(result->body, AllOf(Not(HasSubstr(kJwtSecret)),
                                  Not(HasSubstr(to_hex(sha256("acme-key")).substr(0, 8)))));
}

TEST_F(AdminServerTest, ShowsTiersInWholeUnits) {
  const Json tiers = json(get("/v1/tiers"))["tiers"];
  EXPECT_EQ(tiers[0], Json({{"name", "free"},
                            {"requests_per_minute", 100},
                            {"monthly_quota", 50000},
                            {"unlimited", false}}));
  EXPECT_EQ(tiers[2]["requests_per_minute"], nullptr);
  EXPECT_EQ(tiers[2]["unlimited"], true);
}

TEST_F(AdminServerTest, ShowsEndpointsInOrderAndTheDefaultLast) {
  const Json endpoints = json(get("/v1/endpoints"))["endpoints"];
  EXPECT_EQ(endpoints[0]["method"], "OPTIONS");
  EXPECT_EQ(endpoints[0]["path"], "*");
  EXPECT_EQ(endpoints[3]["cost"], 0.5);
  EXPECT_EQ(endpoints.back()["name"], "default");
}

TEST_F(AdminServerTest, ReloadTakesAGoodPolicyAndRefusesABadOneInItsWords) {
  write_policy("version: 1\ntiers: {free: {requests_per_minute: 7}}\n");
  const auto good = post("/v1/reload");
  ASSERT_EQ(status(good), 200);
  EXPECT_EQ(json(good)["hash"], policy_.get()->hash);
  write_policy("version: 1\ntiers: {free: {requests_per_minute: lots}}\n");
  const auto bad = post("/v1/reload");
  EXPECT_EQ(status(bad), 422);
  EXPECT_THAT(detail(bad), HasSubstr("admin_test_policy.yaml:2:"));
  EXPECT_EQ(json(get("/v1/tiers"))["tiers"][0]["requests_per_minute"], 7);
}

TEST_F(AdminServerTest, WritesNeedTheToken) {
  const auto without = client().Post("/v1/reload", "", "application/json");
  EXPECT_EQ(status(without), 401);
  EXPECT_EQ(without->get_header_value("WWW-Authenticate"), "Bearer realm=\"quotad\"");
  for (const std::string wrong : {"", "x", "0123456789abcdef-toke", "0123456789abcdef-tokenx"}) {
    const auto refused = client().Delete("/v1/consumers/acme", bearer(wrong));
    EXPECT_EQ(status(refused), 401) << wrong;
    EXPECT_THAT(detail(refused), HasSubstr("admin token"));
    EXPECT_THAT(refused->body, Not(HasSubstr(kToken)));
  }
  const httplib::Headers basic = {{"Authorization", std::string("Basic ") + kToken}};
  EXPECT_EQ(status(client().Delete("/v1/consumers/acme", basic)), 401);
}

TEST_F(AdminServerTest, WithoutATokenNobodyWritesAndTheAnswerSaysHowToChangeThat) {
  server_->stop();
  start("");
  const auto refused = client().Put("/v1/consumers/bob", bearer(""), "{}", "application/json");
  EXPECT_EQ(status(refused), 403);
  EXPECT_THAT(detail(refused), HasSubstr("--admin-token-file"));
  EXPECT_EQ(status(get("/v1/tiers")), 200);
}

TEST_F(AdminServerTest, AWrongMethodNamesTheRightOnes) {
  const auto refused = client().Post("/v1/tiers", "", "application/json");
  EXPECT_EQ(status(refused), 405);
  EXPECT_EQ(refused->get_header_value("Allow"), "GET");
  const auto patched = client().Patch("/v1/consumers/acme", "{}", "application/json");
  EXPECT_EQ(status(patched), 405);
  EXPECT_EQ(patched->get_header_value("Allow"), "GET, PUT, DELETE");
  EXPECT_EQ(status(client().Options("/v1/tiers")), 405);
}

TEST_F(AdminServerTest, UnknownPathsAreProblemsToo) {
  for (const char* path : {"/v1", "/v1/", "/index.html", "/v1/quota/", "/v2/tiers", "/metrics/",
                           "/v1/policy/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
                           "//etc/passwd", "/metrics%00", "/\xff\xfe", "/a%0Ab"}) {
    const auto result = get(path);
    EXPECT_EQ(status(result), 404) << path;
    EXPECT_THAT(detail(result), HasSubstr("nothing at this path")) << path;
  }
}

TEST_F(AdminServerTest, HeadIsGetWithoutTheBody) {
  const auto result = client().Head("/v1/tiers");
  EXPECT_EQ(status(result), 200);
  EXPECT_EQ(result->body, "");
}

TEST_F(AdminServerTest, AnswersAreNeverKeptByCaches) {
  EXPECT_EQ(get("/v1/policy")->get_header_value("Cache-Control"), "no-store");
}

TEST_F(AdminServerTest, APortThatIsTakenIsSaid) {
  AdminServer second({.policy = policy_,
                      .directory = directory_,
                      .consumers = consumers_,
                      .engine = engine_,
                      .mode = mode_,
                      .top = busiest_,
                      .metrics = metrics_,
                      .ready = ready_,
                      .reload = [] { return absl::OkStatus(); },
                      .month_used = {}},
                     {.host = "127.0.0.1", .port = server_->port(), .token = ""});
  EXPECT_THAT(std::string(second.start().message()), HasSubstr("Address already in use"));
}

}  // namespace
}  // namespace quota::admin
