#include "problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quota {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::string_literals;

Verdict denied(std::string_view reason) {
  Verdict verdict;
  verdict.outcome = VerdictOutcome::kDenied;
  verdict.reason = reason;
  verdict.tier = "free";
  verdict.endpoint = "/identify";
  verdict.cost_milli = 1000;
  verdict.minute = Limit{100, 0, 1'700'000'000'000, 60};
  verdict.month = Limit{50'000, 0, 1'701'388'800'000, 2'592'000};
  return verdict;
}

TEST(QuotaProblem, SaysWhatIsUsedUpAndWhenToTryAgain) {
  EXPECT_EQ(quota_problem(429, denied("minute"), 12),
            "{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\","
            "\"title\":\"Quota exceeded\",\"status\":429,"
            "\"detail\":\"You have used the 100 units per minute of the free tier. "
            "Try again in 12 seconds.\","
            "\"violated-policies\":[\"minute\"],\"tier\":\"free\",\"endpoint\":\"/identify\"}\n");
}

TEST(QuotaProblem, NamesTheDateAMonthIsRenewed) {
  const std::string text = quota_problem(429, denied("month"), 99'999);
  EXPECT_THAT(text, HasSubstr("You have used the 50000 units per month of the free tier. "
                              "It is renewed at 2023-12-01 00:00:00 UTC."));
  EXPECT_THAT(text, HasSubstr("\"violated-policies\":[\"month\"]"));
}

TEST(QuotaProblem, NamesACostThatIsNotOne) {
  Verdict verdict = denied("minute");
  verdict.cost_milli = 2500;
  verdict.minute->remaining = 1;
  EXPECT_THAT(quota_problem(429, verdict, 1),
              HasSubstr("You have nearly used the 100 units per minute of the free tier, and this "
                        "request costs 2.5. Try again in 1 second."));
}

TEST(QuotaProblem, BlamesNoPolicyWhenNoneWasViolated) {
  for (const char* reason : {"cost_exceeds_limit", "capacity", "store_unavailable", "", "new"}) {
    EXPECT_THAT(quota_problem(429, denied(reason), 1), HasSubstr("\"violated-policies\":[]"))
        << reason;
  }
}

TEST(QuotaProblem, LeavesOutWhatIsNotKnown) {
  Verdict verdict;
  verdict.reason = "minute";
  const std::string text = quota_problem(429, verdict, 1);
  EXPECT_THAT(text, Not(HasSubstr("tier")));
  EXPECT_THAT(text, Not(HasSubstr("endpoint")));
}

TEST(QuotaProblem, EscapesWhatComesFromElsewhere) {
  Verdict verdict = denied("minute");
  verdict.tier = "a\"}";
  EXPECT_THAT(quota_problem(429, verdict, 1), HasSubstr("\"tier\":\"a\\\"}\""));
}

TEST(JsonString, EscapesWhatJsonMust) {
  EXPECT_EQ(json_string("a\"b\\c\n\x01\x1f\x7f"), "\"a\\\"b\\\\c\\u000a\\u0001\\u001f\x7f\"");
  EXPECT_EQ(json_string("\0"s), "\"\\u0000\"");
}

TEST(JsonString, KeepsValidUtf8) {
  for (const char* text : {"ü", "€", "😀", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(json_string(text), "\"" + std::string(text) + "\"");
  }
}

TEST(JsonString, ReplacesWhatIsNotUtf8ByteByByte) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(json_string("\xff"), "\"" + r + "\"");
  EXPECT_EQ(json_string("a\xC3"), "\"a" + r + "\"");
  EXPECT_EQ(json_string("\xC0\xAF"), "\"" + r + r + "\"") << "overlong";
  EXPECT_EQ(json_string("\xE0\x80\x80"), "\"" + r + r + r + "\"") << "overlong";
  EXPECT_EQ(json_string("\xED\xA0\x80"), "\"" + r + r + r + "\"") << "a surrogate";
  EXPECT_EQ(json_string("\xF4\x90\x80\x80"), "\"" + r + r + r + r + "\"") << "above U+10FFFF";
  EXPECT_EQ(json_string("\xE2\x82x"), "\"" + r + r + "x\"") << "cut short";
}

TEST(OtherProblems, AreWhatTheySay) {
  EXPECT_THAT(unauthenticated_problem(401), HasSubstr("\"status\":401"));
  EXPECT_THAT(unavailable_problem(503, 1),
              HasSubstr("#temporary-reduced-capacity\",\"title\":\"Temporarily reduced capacity\","
                        "\"status\":503"));
  EXPECT_THAT(local_limit_problem(429, 2), HasSubstr("Try again in 2 seconds."));
}

}  // namespace
}  // namespace quota
