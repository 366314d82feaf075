#include "cli/event_line.h"

#include <gtest/gtest.h>

namespace quota::cli {
namespace {

Json denial() {
  return {{"time_unix_ms", 1'795'000'000'042},
          {"kind", "decision"},
          {"outcome", "denied"},
          {"reason", "minute"},
          {"consumer", "acme"},
          {"tier", "pro"},
          {"endpoint", "/batch"},
          {"method", "POST"},
          {"path", "/batch/7"},
          {"cost", 1.5},
          {"minute_remaining", 0},
          {"month_remaining", 42},
          {"shadow", false},
          {"trace_id", "4bf9"}};
}

TEST(EventLineTest, ShowsWhatHappenedOnOneLine) {
  EXPECT_EQ(event_line(denial()),
            "2026-11-18T11:06:40.042Z denied       acme pro POST /batch/7 cost 1.5 left 0/42 "
            "minute 4bf9");
}

TEST(EventLineTest, DoesWithoutWhatIsNotThere) {
  Json event = denial();
  for (const char* name : {"consumer", "path", "minute_remaining", "month_remaining", "trace_id"}) {
    event.erase(name);
  }
  EXPECT_EQ(event_line(event),
            "2026-11-18T11:06:40.042Z denied       - pro POST /batch cost 1.5 left -/- minute");
}

TEST(EventLineTest, NamesThresholdsAndShadowDenials) {
  Json event = denial();
  event["shadow"] = true;
  EXPECT_NE(event_line(event).find("Z shadow "), std::string::npos);
  event["kind"] = "month_80";
  EXPECT_NE(event_line(event).find("Z month_80 "), std::string::npos);
}

TEST(EventLineTest, AStrangerDoesNotSteerTheTerminal) {
  Json event = denial();
  event["path"] = "/\x1b[2J\n\x7f";
  EXPECT_NE(event_line(event).find("POST /?[2J?? cost"), std::string::npos);
}

}  // namespace
}  // namespace quota::cli
