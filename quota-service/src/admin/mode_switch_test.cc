#include <gmock/gmock.h>

#include "admin/test_server.h"

namespace quota::admin {
namespace {

using policy::Mode;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ModeSwitchTest : public testing::AdminServerTest {
 protected:
  Json mode() { return json(get("/v1/mode")); }
};

TEST_F(ModeSwitchTest, is_the_policys_at_first) {
  const Json seen = mode();
  EXPECT_EQ(seen.at("mode"), "enforce");
  EXPECT_EQ(seen.at("source"), "policy");
  EXPECT_EQ(seen.at("policy_mode"), "enforce");
  EXPECT_EQ(seen.at("scope"), "all");
  EXPECT_EQ(seen.at("since_unix_ms"), policy_.mode().since_unix_ms);
}

TEST_F(ModeSwitchTest, is_set_once_it_is_recorded_and_dropped_again) {
  const auto set = put_mode(R"({"mode":"shadow"})");
  EXPECT_EQ(status(set), 200);
  EXPECT_EQ(json(set), mode());
  EXPECT_EQ(mode().at("mode"), "shadow");
  EXPECT_EQ(mode().at("source"), "override");
  EXPECT_EQ(mode().at("policy_mode"), "enforce");
  EXPECT_EQ(modes_.saved.mode, Mode::kShadow);
  EXPECT_EQ(mode().at("since_unix_ms"), modes_.saved.since_unix_ms);
  EXPECT_EQ(policy_.get()->mode, Mode::kShadow);
  EXPECT_EQ(json(get("/v1/policy")).at("mode"), "shadow");
  EXPECT_EQ(json(put_mode(R"({"mode":"policy"})")).at("source"), "policy");
  EXPECT_EQ(policy_.get()->mode, Mode::kEnforce);
  EXPECT_FALSE(modes_.saved.mode.has_value());
}

TEST_F(ModeSwitchTest, stays_when_the_store_cannot_record_it) {
  modes_.broken = true;
  const auto refused = put_mode(R"({"mode":"off"})");
  EXPECT_EQ(status(refused), 503);
  EXPECT_THAT(detail(refused), HasSubstr("disk is full"));
  EXPECT_EQ(mode().at("mode"), "enforce");
}

TEST_F(ModeSwitchTest, changes_here_alone_without_the_store) {
  modes_.broken = true;
  const auto set = put_mode(R"({"mode":"off"})", "?scope=local");
  EXPECT_EQ(status(set), 200);
  EXPECT_EQ(mode().at("mode"), "off");
  EXPECT_EQ(mode().at("scope"), "local");
  EXPECT_EQ(modes_.saved, store::ModeRecord());
  modes_.say({Mode::kShadow, 5});
  EXPECT_EQ(mode().at("mode"), "shadow") << "the store has news";
  EXPECT_EQ(mode().at("scope"), "all");
}

TEST_F(ModeSwitchTest, follows_what_other_quotads_were_told) {
  modes_.say({Mode::kOff, 77});
  EXPECT_EQ(mode().at("mode"), "off");
  EXPECT_EQ(mode().at("since_unix_ms"), 77);
}

TEST_F(ModeSwitchTest, refuses_what_is_no_mode) {
  for (const char* body :
       {"", "{}", "[]", R"({"mode":"on"})", R"({"mode":1})", R"({"mode":"off","x":1})"}) {
    const auto refused = put_mode(body);
    EXPECT_EQ(status(refused), 400) << body;
    EXPECT_THAT(detail(refused), ::testing::Not(IsEmpty())) << body;
  }
  EXPECT_EQ(status(put_mode(R"({"mode":"off"})", "?scope=here")), 400);
  EXPECT_EQ(mode().at("mode"), "enforce");
}

TEST_F(ModeSwitchTest, is_shown_to_all_and_changed_with_the_token_only) {
  EXPECT_EQ(status(get("/v1/mode")), 200);
  EXPECT_EQ(status(put_mode(R"({"mode":"off"})", "", {})), 401);
  EXPECT_EQ(status(put_mode(R"({"mode":"off"})", "?scope=local", bearer("wrong"))), 401);
  EXPECT_EQ(mode().at("mode"), "enforce");
}

TEST_F(ModeSwitchTest, is_a_metric) {
  metrics_.add(std::make_shared<PolicyCollector>(policy_));
  EXPECT_THAT(get("/metrics")->body,
              HasSubstr("quota_mode_info{mode=\"enforce\",source=\"policy\"} 1"));
  modes_.say({Mode::kEnforce, 77});
  EXPECT_THAT(get("/metrics")->body,
              HasSubstr("quota_mode_info{mode=\"enforce\",source=\"override\"} 1"));
}

}  // namespace
}  // namespace quota::admin
