#include "telemetry/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <string>

namespace quota::telemetry {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::EndsWith;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

class LoggingTest : public ::testing::Test {
 protected:
  ~LoggingTest() override { set_up_logging("info", "text"); }
};

TEST_F(LoggingTest, FieldsAreMembersOfAJsonLine) {
  CaptureStderr();
  set_up_logging("info", "json");
  log_with_fields(spdlog::level::warn, "slow decision", {{"tier", "pro"}, {"waited_us", 21000}});
  const Json line = Json::parse(GetCapturedStderr());
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["message"], "slow decision");
  EXPECT_EQ(line["tier"], "pro");
  EXPECT_EQ(line["waited_us"], 21000);
  EXPECT_TRUE(line.contains("time_unix_ms"));
}

TEST_F(LoggingTest, HostileBytesNeitherLoseALineNorMakeAnother) {
  CaptureStderr();
  set_up_logging("info", "json");
  log_with_fields(spdlog::level::info, "denial", {{"path", "/\n{}\"\xff"}});
  spdlog::info("plain {}", "\n\xff");
  const std::string text = GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
  EXPECT_EQ(Json::parse(text.substr(0, text.find('\n')))["path"], "/\n{}\"\uFFFD");
}

TEST_F(LoggingTest, FieldsAreKeysAndValuesOfATextLine) {
  CaptureStderr();
  set_up_logging("info", "text");
  log_with_fields(spdlog::level::info, "denial", {{"tier", "pro"}, {"cost", 1.5}});
  log_with_fields(spdlog::level::debug, "not shown", {});
  EXPECT_THAT(GetCapturedStderr(), EndsWith(" info denial: tier=pro cost=1.5\n"));
}

TEST_F(LoggingTest, AValueThatCouldBeMisreadIsQuoted) {
  EXPECT_EQ(fields_text({{"a", "x y"}, {"b", ""}, {"c", "k=v"}, {"d", "\n"}, {"e", true}}),
            R"(a="x y" b="" c="k=v" d="\n" e=true)");
}

}  // namespace
}  // namespace quota::telemetry
