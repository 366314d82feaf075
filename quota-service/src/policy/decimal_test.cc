#include "policy/decimal.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace quota::policy {
namespace {

TEST(Decimal, IsReadExactly) {
  EXPECT_EQ(parse_decimal("0")->milli, 0);
  EXPECT_EQ(parse_decimal("1.5")->milli, 1500);
  EXPECT_EQ(parse_decimal("0.001")->milli, 1);
  EXPECT_EQ(parse_decimal("1000000.001")->milli, 1'000'000'001);
  // The nearest double is 2.67499…, which would be cut to 2.674.
  EXPECT_EQ(parse_decimal("2.675")->milli, 2675);
}

TEST(Decimal, CountsWhatWasWrittenAfterThePoint) {
  EXPECT_EQ(parse_decimal("1")->decimals, 0);
  EXPECT_EQ(parse_decimal("1.50")->decimals, 2);
  EXPECT_EQ(parse_decimal("1.0000")->decimals, 4);
}

TEST(Decimal, KeepsTheSignApart) {
  EXPECT_TRUE(parse_decimal("-1.5")->negative);
  EXPECT_EQ(parse_decimal("-1.5")->milli, 1500);
}

TEST(Decimal, StopsAtTheLargestNumber) {
  const int64_t largest = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(parse_decimal("9223372036854775.807")->milli, largest);
  EXPECT_EQ(parse_decimal("9223372036854775.808")->milli, largest);
  EXPECT_EQ(parse_decimal(std::string(10'000, '9'))->milli, largest);
}

TEST(Decimal, RefusesEverythingElse) {
  for (const char* text : {"",   "-",  "+1",  "--1",  ".",   ".5",    "1.",  "1..2",  "1.2.3",
                           "01", "00", "-01", "1e3",  "1E3", "0x10",  "0o7", "1_000", "1,5",
                           " 1", "1 ", "nan", ".nan", "inf", "-.inf", "½",   "1\n"}) {
    EXPECT_FALSE(parse_decimal(text)) << text;
  }
}

TEST(Decimal, IsWrittenAsShortAsPossible) {
  EXPECT_EQ(milli_to_string(0), "0");
  EXPECT_EQ(milli_to_string(1500), "1.5");
  EXPECT_EQ(milli_to_string(45'001), "45.001");
  EXPECT_EQ(milli_to_string(100'000), "100");
}

RC_GTEST_PROP(Decimal, ReadsBackWhatItWrote, (uint32_t high, uint16_t low)) {
  const int64_t milli = (int64_t{high} << 16) | low;
  RC_ASSERT(parse_decimal(milli_to_string(milli))->milli == milli);
}

}  // namespace
}  // namespace quota::policy
