#include "admin/events_view.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace quota::admin {
namespace {

using Query = std::multimap<std::string, std::string>;

class EventsViewTest : public ::testing::Test {
 protected:
  EventsViewTest() {
    history_.add(R"({"n":1})", "acme", true);
    history_.add(R"({"n":2})", "beta", false);
    history_.add(R"({"n":3})", renderer_.names_of("acme")[1], true);
  }
  Reply get(const Query& query) const {
    return view_.get(
        {.method = "GET", .path = "", .query = query, .authorization = "", .body = ""});
  }
  std::string events(const Query& query) const {
    const Reply reply = get(query);
    return reply.status == 200 ? Json::parse(reply.body)["events"].dump() : "refused";
  }

  events::History history_;
  events::Renderer renderer_{events::Privacy::kHashed, "key"};
  EventsView view_{history_, renderer_};
};

TEST_F(EventsViewTest, ShowsTheNewestAndWhereToGoOn) {
  const Json page = Json::parse(get({{"limit", "2"}}).body);
  EXPECT_EQ(page["events"].dump(), R"([{"n":2},{"n":3}])");
  EXPECT_EQ(page["next"], 3);
  EXPECT_EQ(page["missed"], 0);
  EXPECT_EQ(page["instance"], history_.instance());
  EXPECT_EQ(events({{"after", "1"}, {"limit", "1"}}), R"([{"n":2}])");
  EXPECT_EQ(events({{"after", "3"}}), "[]");
}

TEST_F(EventsViewTest, ShowsDenialsOrOneConsumerUnderAllItsNames) {
  EXPECT_EQ(events({{"denied", "true"}}), R"([{"n":1},{"n":3}])");
  EXPECT_EQ(events({{"consumer", "acme"}}), R"([{"n":1},{"n":3}])");
  EXPECT_EQ(events({{"consumer", "nobody"}}), "[]");
}

TEST_F(EventsViewTest, RefusesWhatItDoesNotKnow) {
  for (const Query& bad : {Query{{"after", "-1"}}, Query{{"after", ""}}, Query{{"limit", "1001"}},
                           Query{{"after", "99999999999999999999"}}, Query{{"denied", "1"}},
                           Query{{"other", "1"}}, Query{{"limit", "1"}, {"limit", "2"}}}) {
    EXPECT_EQ(get(bad).status, 400) << bad.begin()->first;
  }
}

}  // namespace
}  // namespace quota::admin
