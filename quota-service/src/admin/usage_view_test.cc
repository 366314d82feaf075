#include "admin/usage_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/time.h"

namespace quota::admin {
namespace {

using ::testing::HasSubstr;
using usage::Query;

class FakeUsage final : public usage::UsageStore {
 public:
  void add(usage::Sums, int64_t, bool) override {}
  absl::StatusOr<usage::Page> read(const Query& query) override {
    asked = query;
    return answer;
  }
  absl::Status close() override { return absl::OkStatus(); }
  Stats stats() const override { return {}; }

  std::optional<Query> asked;
  absl::StatusOr<usage::Page> answer = usage::Page{};
};

class UsageViewTest : public ::testing::Test {
 protected:
  Reply ask(std::multimap<std::string, std::string> query) {
    return usage_reply({.method = "GET",
                        .path = "/v1/usage",
                        .query = std::move(query),
                        .authorization = {},
                        .body = {}},
                       &store_);
  }
  std::string refusal(std::multimap<std::string, std::string> query) {
    const Reply reply = ask(std::move(query));
    EXPECT_EQ(reply.status, 400);
    EXPECT_FALSE(store_.asked);
    return Json::parse(reply.body).value("detail", "");
  }

  FakeUsage store_;
};

TEST_F(UsageViewTest, ShowsWhatTheStoreHas) {
  const int32_t day = 20'777;
  store_.answer =
      usage::Page{.entries = {{{"", "/a", day}, {.requests = 3, .denials = 1, .cost_milli = 2000}},
                              {{"acme", "GET /b", day},
                               {.requests = 1, .denials = 0, .cost_milli = 12'345'678}},
                              {{"z", "\xff", day}, {.requests = 9'007'199'254'740'991}}},
                  .next = "z"};
  const Reply reply = ask({{"by", "day"}, {"month", "2026-11"}});
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, HasSubstr("\"cost\": 12345.678,"));
  const Json said = Json::parse(reply.body);
  EXPECT_EQ(said["month"], "2026-11");
  EXPECT_EQ(said["by"], "day");
  EXPECT_EQ(said["next"], "z");
  EXPECT_EQ(said["usage"][0], Json({{"consumer", nullptr},
                                    {"endpoint", "/a"},
                                    {"day", "2026-11-20"},
                                    {"requests", 3},
                                    {"cost", 2},
                                    {"denials", 1}}));
  EXPECT_EQ(said["usage"][2]["requests"], 9'007'199'254'740'991);
  EXPECT_EQ(said["usage"][2]["endpoint"], "\xef\xbf\xbd");
}

TEST_F(UsageViewTest, AsksTheStoreForWhatIsWanted) {
  EXPECT_EQ(ask({{"month", "2026-02"},
                 {"consumer", "acme"},
                 {"by", "day"},
                 {"after", "abc"},
                 {"limit", "17"}})
                .status,
            200);
  EXPECT_EQ(store_.asked->month.text(), "2026-02");
  EXPECT_EQ(store_.asked->consumer, "acme");
  EXPECT_TRUE(store_.asked->by_day);
  EXPECT_EQ(store_.asked->after, "abc");
  EXPECT_EQ(store_.asked->limit, 17u);
}

TEST_F(UsageViewTest, WithoutWordsItIsThisMonthInSums) {
  const Json said = Json::parse(ask({}).body);
  EXPECT_EQ(said["month"], usage::Month::of_day(usage::day_at(read_clocks().unix_us)).text());
  EXPECT_EQ(said["next"], nullptr);
  EXPECT_FALSE(store_.asked->by_day);
  EXPECT_EQ(store_.asked->consumer, std::nullopt);
  EXPECT_EQ(store_.asked->after, std::nullopt);
  EXPECT_EQ(store_.asked->limit, 1000u);
}

TEST_F(UsageViewTest, AnEmptyConsumerIsThatOfAnonymousClients) {
  ask({{"consumer", ""}});
  EXPECT_EQ(store_.asked->consumer, "");
}

TEST_F(UsageViewTest, WrongWordsAreRefusedAndNotRepeated) {
  EXPECT_THAT(refusal({{"month", "2026-13"}}), HasSubstr("month"));
  EXPECT_THAT(refusal({{"by", "week"}}), HasSubstr("by"));
  EXPECT_THAT(refusal({{"limit", "1001"}}), HasSubstr("1 to 1000"));
  EXPECT_THAT(refusal({{"limit", "-1"}}), HasSubstr("1 to 1000"));
  EXPECT_THAT(refusal({{"consumer", "a b"}}), HasSubstr("consumer"));
  EXPECT_THAT(refusal({{"after", std::string(200, 'x')}}), HasSubstr("after"));
  EXPECT_THAT(refusal({{"by", "day"}, {"by", "month"}}), HasSubstr("twice"));
  EXPECT_THAT(refusal({{"until", "2026-12"}}), HasSubstr("nothing else"));
}

TEST_F(UsageViewTest, AStoreThatCannotBeAskedIsUnavailable) {
  store_.answer = absl::InternalError("Redis refused: LOADING");
  const Reply reply = ask({});
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("Redis refused: LOADING"));
}

TEST_F(UsageViewTest, WhereNoneIsKeptThereIsNone) {
  EXPECT_EQ(usage_reply({}, nullptr).status, 404);
}

}  // namespace
}  // namespace quota::admin
