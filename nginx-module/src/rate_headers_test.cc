#include "rate_headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace quota {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kNowMs = 1'700'000'000'000;

class RateHeadersTest : public ::testing::Test {
 protected:
  RateHeadersTest() {
    verdict_.minute = Limit{100, 42, kNowMs + 17'001, 60};
    verdict_.month = Limit{50'000, 49'000, kNowMs + 86'400'000, 2'592'000};
  }

  std::vector<std::pair<std::string, std::string>> get() const {
    std::vector<std::pair<std::string, std::string>> headers;
    for (const Header& header : headers_.get()) {
      headers.emplace_back(std::string(header.name), std::string(header.value));
    }
    return headers;
  }

  Verdict verdict_;
  char text_[RateHeaders::kTextBytes];
  RateHeaders headers_{text_};
};

TEST_F(RateHeadersTest, WritesNumbersOfEveryLength) {
  std::vector<uint64_t> numbers{0, UINT32_MAX, uint64_t{UINT32_MAX} + 1, UINT64_MAX};
  for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
    for (const uint64_t number : {power - 1, power, power * 9 + 1, power * 10}) {
      numbers.push_back(number);
    }
  }
  for (const uint64_t number : numbers) {
    RateHeaders headers(text_);
    headers.add_retry_after(number);
    EXPECT_EQ(headers.get()[0].value, std::to_string(number));
  }
}

TEST_F(RateHeadersTest, LegacyTellsTheMinuteAndWhatIsLeftOfTheMonth) {
  headers_.add_legacy(verdict_);
  EXPECT_THAT(get(), ElementsAre(std::pair{"X-RateLimit-Limit", "100"},
                                 std::pair{"X-RateLimit-Remaining", "42"},
                                 std::pair{"X-RateLimit-Reset", "1700000018"},
                                 std::pair{"X-Quota-Monthly-Remaining", "49000"}));
}

TEST_F(RateHeadersTest, LegacyTellsTheMonthWhereThereIsNoMinute) {
  verdict_.minute.reset();
  headers_.add_legacy(verdict_);
  EXPECT_THAT(get(), ElementsAre(std::pair{"X-RateLimit-Limit", "50000"},
                                 std::pair{"X-RateLimit-Remaining", "49000"},
                                 std::pair{"X-RateLimit-Reset", "1700086400"},
                                 std::pair{"X-Quota-Monthly-Remaining", "49000"}));
}

TEST_F(RateHeadersTest, RemainingIsNeverAboveTheLimit) {
  verdict_.minute->remaining = 150;
  verdict_.month.reset();
  headers_.add_legacy(verdict_);
  headers_.add_ietf(verdict_, kNowMs);
  EXPECT_EQ(get()[1].second, "100");
  EXPECT_EQ(get()[4].second, "\"minute\";r=100;t=18");
}

TEST_F(RateHeadersTest, IetfTellsBothPoliciesAndTheMinute) {
  headers_.add_ietf(verdict_, kNowMs);
  EXPECT_THAT(get(), ElementsAre(std::pair{"RateLimit-Policy",
                                           "\"minute\";q=100;w=60, "
                                           "\"month\";q=50000;w=2592000"},
                                 std::pair{"RateLimit", "\"minute\";r=42;t=18"}));
}

TEST_F(RateHeadersTest, IetfTellsTheMonthWhenThatIsWhatRefused) {
  verdict_.reason = "month";
  headers_.add_ietf(verdict_, kNowMs);
  EXPECT_EQ(get()[1].second, "\"month\";r=49000;t=86400");
}

TEST_F(RateHeadersTest, IetfTellsTheMonthAloneWhereThereIsNoMinute) {
  verdict_.minute.reset();
  headers_.add_ietf(verdict_, kNowMs);
  EXPECT_THAT(get(), ElementsAre(std::pair{"RateLimit-Policy", "\"month\";q=50000;w=2592000"},
                                 std::pair{"RateLimit", "\"month\";r=49000;t=86400"}));
}

TEST_F(RateHeadersTest, AResetThatHasPassedIsNow) {
  verdict_.minute->reset_unix_ms = kNowMs - 5'000;
  headers_.add_ietf(verdict_, kNowMs);
  EXPECT_EQ(get()[1].second, "\"minute\";r=42;t=0");
}

TEST_F(RateHeadersTest, AnUnlimitedTierHasNothingToTellButItsName) {
  verdict_.minute.reset();
  verdict_.month.reset();
  headers_.add_legacy(verdict_);
  headers_.add_ietf(verdict_, kNowMs);
  headers_.add_tier("enterprise");
  EXPECT_THAT(get(), ElementsAre(std::pair{"X-Quota-Tier", "enterprise"}));
}

TEST_F(RateHeadersTest, AValueThatCouldEndTheHeaderIsLeftOut) {
  headers_.add_tier("free\r\nSet-Cookie: a=b");
  headers_.add_tier(std::string_view("fr\0ee", 5));
  headers_.add_tier("\x7f");
  headers_.add_tier("");
  EXPECT_THAT(get(), IsEmpty());
}

TEST_F(RateHeadersTest, TheLongestNumbersFit) {
  const Limit longest{UINT64_MAX, UINT64_MAX, INT64_MAX, UINT64_MAX};
  verdict_.minute = longest;
  verdict_.month = longest;
  headers_.add_legacy(verdict_);
  headers_.add_ietf(verdict_, INT64_MIN / 2);
  headers_.add_tier("free");
  headers_.add("Cache-Control", "no-store");
  headers_.add_retry_after(UINT64_MAX);
  EXPECT_EQ(get().size(), 9u);
  EXPECT_EQ(get().back().second, "18446744073709551615");
  EXPECT_EQ(get()[5].second, "\"minute\";r=999999999999999;t=999999999999999");
}

}  // namespace
}  // namespace quota
