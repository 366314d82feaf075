#include <gmock/gmock.h>

#include "admin/test_server.h"

namespace quota::admin {
namespace {

using ::testing::HasSubstr;

class TopViewTest : public testing::AdminServerTest {
 protected:
  void add(const char* consumer, const char* tier, uint64_t requests) {
    busiest_.add(consumer, tier, requests, 1, 1'500, read_clocks().mono_us);
  }
  Json top(const std::string& query = "") { return json(get("/v1/top" + query)); }
};

TEST_F(TopViewTest, SaysThatNobodyIsThere) {
  const Json seen = top();
  EXPECT_EQ(seen.at("window_s"), 60);
  EXPECT_TRUE(seen.at("top").is_array() && seen.at("top").empty());
  EXPECT_EQ(seen.at("totals").at("requests"), 0);
}

TEST_F(TopViewTest, ShowsTheBusiestFirstWithWhatTheyHaveLeft) {
  add("acme", "pro", 50);
  add("", "anonymous", 70);
  const Json seen = top();
  EXPECT_EQ(seen.at("totals").at("requests"), 120);
  EXPECT_EQ(seen.at("totals").at("cost"), 3);
  ASSERT_EQ(seen.at("top").size(), 2u);
  const Json& anonymous = seen.at("top")[0];
  EXPECT_TRUE(anonymous.at("consumer").is_null());
  EXPECT_EQ(anonymous.at("tier"), "anonymous");
  EXPECT_TRUE(anonymous.at("minute").is_null());
  const Json& acme = seen.at("top")[1];
  EXPECT_EQ(acme.at("consumer"), "acme");
  EXPECT_EQ(acme.at("requests"), 50);
  EXPECT_EQ(acme.at("denied"), 1);
  EXPECT_EQ(acme.at("cost"), 1.5);
  EXPECT_EQ(acme.at("per_second"), 5.0);
  EXPECT_EQ(acme.at("minute").at("limit"), 5000) << "the override of the policy";
  EXPECT_EQ(acme.at("month").at("remaining"), 1000000);
}

TEST_F(TopViewTest, KnowsManagedConsumersAndThoseThatOnlyAGatewayNames) {
  ASSERT_EQ(status(put("managed", R"({"tier":"free","overrides":{"requests_per_minute":7}})")),
            201);
  add("managed", "free", 2);
  add("named", "pro", 1);
  const Json seen = top();
  EXPECT_EQ(seen.at("top")[0].at("minute").at("limit"), 7);
  EXPECT_EQ(seen.at("top")[1].at("minute").at("limit"), 1000);
}

TEST_F(TopViewTest, ATierThatIsGoneCountsAsTheDefaultTier) {
  add("named", "gone", 1);
  EXPECT_EQ(top().at("top")[0].at("minute").at("limit"), 100);
}

TEST_F(TopViewTest, WithoutADefaultTierTheLimitsAreThoseOfAnonymousClients) {
  ASSERT_EQ(status(put("managed", R"({"tier":"free"})")), 201);
  write_policy(
      "version: 1\ntiers: {pro: {requests_per_minute: 1000}}\n"
      "anonymous: {requests_per_minute: 30}\n");
  ASSERT_EQ(policy_.reload(), absl::OkStatus());
  add("managed", "anonymous", 1);
  EXPECT_EQ(top().at("top")[0].at("minute").at("limit"), 30);
  EXPECT_EQ(json(get("/v1/quota/managed")).at("minute").at("limit"), 30);
}

TEST_F(TopViewTest, TakesNothing) {
  add("acme", "pro", 5);
  for (int i = 0; i < 3; ++i) top();
  EXPECT_EQ(top().at("top")[0].at("month").at("remaining"), 1000000);
}

TEST_F(TopViewTest, DoesNotWaitLongForAStoreThatIsSilent) {
  store_.silent = true;
  for (int i = 0; i < 30; ++i) add(("c" + std::to_string(i)).c_str(), "free", 1);
  const auto begin = std::chrono::steady_clock::now();
  const Json seen = top("?limit=100");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  EXPECT_EQ(seen.at("top").size(), 30u);
}

TEST_F(TopViewTest, ShowsAsManyAsAreAskedFor) {
  for (int i = 0; i < 30; ++i) add(("c" + std::to_string(i)).c_str(), "free", 1);
  EXPECT_EQ(top().at("top").size(), 20u);
  EXPECT_EQ(top("?limit=3").at("top").size(), 3u);
  for (const char* bad : {"0", "101", "-1", "x", "", "1.5", "99999999999999999999"}) {
    const auto refused = get(std::string("/v1/top?limit=") + bad);
    EXPECT_EQ(status(refused), 400) << bad;
    EXPECT_THAT(detail(refused), HasSubstr("from 1 to 100")) << bad;
  }
}

}  // namespace
}  // namespace quota::admin
