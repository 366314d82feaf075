#include "rls/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "envoy/service/ratelimit/v3/rls.pb.h"

// The writer against protobuf's own classes.
namespace quota::rls {
namespace {

using engine::Outcome;
using engine::Reason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;
using RateLimitResponse = envoy::service::ratelimit::v3::RateLimitResponse;
using RateLimit = RateLimitResponse::RateLimit;
using Headers = std::map<std::string, std::string>;

constexpr int64_t kNowUs = 1'795'132'800'000'000;

Verdict allowed() {
  Verdict verdict;
  verdict.tier = "free";
  verdict.endpoint = "/identify";
  verdict.cost_milli = 1'000;
  verdict.decision.minute = {
      .limit = 100'000, .remaining = 42'999, .reset_unix_us = kNowUs + 17'000'000, .window_s = 60};
  verdict.decision.month = {.limit = 50'000'000,
                            .remaining = 48'000'000,
                            .reset_unix_us = kNowUs + 86'400'000'000,
                            .window_s = 2'592'000};
  return verdict;
}

Verdict denied(Reason reason, int64_t retry_after_us) {
  Verdict verdict = allowed();
  verdict.decision.outcome = Outcome::kDenied;
  verdict.decision.reason = reason;
  verdict.decision.retry_after_us = retry_after_us;
  return verdict;
}

Verdict without_limits(Outcome outcome, Reason reason) {
  Verdict verdict;
  verdict.tier = "enterprise";
  verdict.endpoint = "default";
  verdict.decision.outcome = outcome;
  verdict.decision.reason = reason;
  return verdict;
}

RateLimitResponse parse(const std::string& bytes) {
  RateLimitResponse response;
  EXPECT_TRUE(response.ParseFromString(bytes));
  return response;
}

RateLimitResponse answer(const std::vector<Verdict>& verdicts, const Options& options = {}) {
  std::string bytes = "what was there before";
  write_answer(bytes, verdicts, options, kNowUs);
  return parse(bytes);
}

Headers headers_of(const RateLimitResponse& response) {
  Headers headers;
  for (const auto& header : response.response_headers_to_add()) {
    EXPECT_TRUE(headers.emplace(header.key(), header.value()).second) << header.key();
  }
  return headers;
}

TEST(RateLimitResponse, BytesAreTheseAndNoOthers) {
  std::string bytes;
  Options options;
  options.headers = HeaderStyle::kOff;
  write_answer(bytes, std::vector{allowed()}, options, kNowUs);
  EXPECT_EQ(bytes,
            "\x08\x01"                                // overall_code OK
            "\x12\x16"                                // a status
            "\x08\x01"                                // OK
            "\x12\x0c\x08\x64\x10\x02\x1a\x06minute"  // 100 per minute
            "\x18\x2a"                                // 42 remain
            "\x22\x02\x08\x11");                      // for 17 s
}

TEST(RateLimitResponse, AnAllowedRequestHasTheModulesHeaders) {
  const RateLimitResponse response = answer({allowed()});
  EXPECT_EQ(response.overall_code(), RateLimitResponse::OK);
  EXPECT_THAT(
      headers_of(response),
      UnorderedElementsAre(
          Pair("X-RateLimit-Limit", "100"), Pair("X-RateLimit-Remaining", "42"),
          Pair("X-RateLimit-Reset", "1795132817"), Pair("X-Quota-Monthly-Remaining", "48000"),
          Pair("RateLimit-Policy", "\"minute\";q=100;w=60, \"month\";q=50000;w=2592000"),
          Pair("RateLimit", "\"minute\";r=42;t=17"), Pair("X-Quota-Tier", "free")));
  EXPECT_THAT(response.raw_body(), IsEmpty());
}

TEST(RateLimitResponse, ARefusalHasRetryAfterAndABody) {
  const RateLimitResponse response = answer({denied(Reason::kMinute, 1'000'001)});
  EXPECT_EQ(response.overall_code(), RateLimitResponse::OVER_LIMIT);
  EXPECT_EQ(response.statuses(0).code(), RateLimitResponse::OVER_LIMIT);
  const Headers headers = headers_of(response);
  EXPECT_EQ(headers.at("Retry-After"), "2");
  EXPECT_EQ(headers.at("Cache-Control"), "no-store");
  EXPECT_EQ(headers.at("Content-Type"), "application/problem+json");
  EXPECT_THAT(response.raw_body(), HasSubstr("\"violated-policies\":[\"minute\"]"));
}

TEST(RateLimitResponse, HeadersAndBodyAreLeftOutWhenTheyAreOff) {
  Options options;
  options.headers = HeaderStyle::kOff;
  options.body = false;
  EXPECT_THAT(headers_of(answer({allowed()}, options)), IsEmpty());
  const RateLimitResponse refusal = answer({denied(Reason::kMinute, 1)}, options);
  EXPECT_THAT(headers_of(refusal),
              UnorderedElementsAre(Pair("Retry-After", "1"), Pair("Cache-Control", "no-store")));
  EXPECT_THAT(refusal.raw_body(), IsEmpty());
}

TEST(RateLimitResponse, LegacyAndIetfHeadersCanBeHadAlone) {
  Options options;
  options.headers = HeaderStyle::kLegacy;
  EXPECT_EQ(headers_of(answer({allowed()}, options)).count("RateLimit"), 0u);
  EXPECT_EQ(headers_of(answer({allowed()}, options)).count("X-RateLimit-Limit"), 1u);
  options.headers = HeaderStyle::kIetf;
  EXPECT_EQ(headers_of(answer({allowed()}, options)).count("RateLimit"), 1u);
  EXPECT_EQ(headers_of(answer({allowed()}, options)).count("X-RateLimit-Limit"), 0u);
}

TEST(RateLimitResponse, AStatusShowsTheLimitThatRefusedElseTheOneWithLessLeft) {
  Verdict little_month = allowed();
  little_month.decision.month.remaining = 5'000;
  const RateLimitResponse response =
      answer({allowed(), little_month, denied(Reason::kMonth, 1), denied(Reason::kMinute, 1)});
  std::vector<int> units;
  for (const auto& status : response.statuses()) units.push_back(status.current_limit().unit());
  EXPECT_THAT(
      units, ElementsAre(RateLimit::MINUTE, RateLimit::MONTH, RateLimit::MONTH, RateLimit::MINUTE));
  EXPECT_EQ(response.statuses(1).current_limit().requests_per_unit(), 50'000u);
  EXPECT_EQ(response.statuses(1).limit_remaining(), 5u);
  EXPECT_EQ(response.statuses(1).duration_until_reset().seconds(), 86'400);
}

TEST(RateLimitResponse, NumbersThatDoNotFitAreTheLargestThatDo) {
  Verdict verdict = allowed();
  verdict.decision.minute.limit = verdict.decision.minute.remaining = INT64_MAX;
  verdict.decision.month.limit = -1;
  verdict.decision.minute.reset_unix_us = kNowUs - 1;
  const RateLimitResponse response = answer({verdict});
  EXPECT_EQ(response.statuses(0).current_limit().requests_per_unit(), UINT32_MAX);
  EXPECT_EQ(response.statuses(0).limit_remaining(), UINT32_MAX);
  EXPECT_EQ(response.statuses(0).duration_until_reset().seconds(), 0);
}

TEST(RateLimitResponse, WithoutLimitsThereIsNothingToShow) {
  const RateLimitResponse response = answer({without_limits(Outcome::kAllowed, Reason::kUnlimited),
                                             without_limits(Outcome::kExempt, Reason::kExempt)});
  EXPECT_EQ(response.overall_code(), RateLimitResponse::OK);
  EXPECT_FALSE(response.statuses(0).has_current_limit());
  EXPECT_EQ(response.statuses(0).limit_remaining(), UINT32_MAX);
  EXPECT_FALSE(response.statuses(1).has_current_limit());
  EXPECT_EQ(response.statuses(1).limit_remaining(), 0u);
  EXPECT_THAT(headers_of(response), ElementsAre(Pair("X-Quota-Tier", "enterprise")));
}

TEST(RateLimitResponse, WhoIsNotKnownIsToldSo) {
  const RateLimitResponse response =
      answer({denied(Reason::kMinute, 60'000'000),
              without_limits(Outcome::kUnauthenticated, Reason::kUnknownCredentials)});
  EXPECT_EQ(response.overall_code(), RateLimitResponse::OVER_LIMIT);
  const Headers headers = headers_of(response);
  EXPECT_EQ(headers.at("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(headers.count("Retry-After"), 0u);
  EXPECT_THAT(response.raw_body(), HasSubstr("Unauthorized"));
}

TEST(RateLimitResponse, TheClientIsToldOfTheDescriptorThatKeepsItWaitingLongest) {
  const RateLimitResponse response =
      answer({denied(Reason::kMinute, 1'000'000), denied(Reason::kMonth, 9'000'000), allowed()});
  EXPECT_EQ(headers_of(response).at("Retry-After"), "9");
  EXPECT_EQ(headers_of(response).at("RateLimit"), "\"month\";r=48000;t=86400");
}

TEST(RateLimitResponse, TheClientIsToldOfTheDescriptorWithTheLeastLeft) {
  Verdict less = allowed();
  less.tier = "less";
  less.decision.minute.remaining = 1'000;
  const RateLimitResponse response =
      answer({without_limits(Outcome::kAllowed, Reason::kUnlimited), less, allowed()});
  EXPECT_EQ(headers_of(response).at("X-Quota-Tier"), "less");
}

TEST(RateLimitResponse, WhatCouldNotBeDecidedIsAllowedOrRefusedInTheModulesWords) {
  std::string bytes;
  Options options;
  options.on_error = OnError::kAllow;
  write_undecided(bytes, options);
  EXPECT_EQ(bytes, "\x08\x01");
  options.on_error = OnError::kDeny;
  write_undecided(bytes, options);
  const RateLimitResponse response = parse(bytes);
  EXPECT_EQ(response.overall_code(), RateLimitResponse::OVER_LIMIT);
  EXPECT_EQ(headers_of(response).at("Retry-After"), "1");
  EXPECT_THAT(response.raw_body(), HasSubstr("temporary-reduced-capacity"));
}

}  // namespace
}  // namespace quota::rls
