#include "usage/month.h"

#include <gtest/gtest.h>

namespace quota::usage {
namespace {

TEST(Month, IsReadAndWritten) {
  for (const char* text : {"1970-01", "2024-02", "2026-11", "9999-12"}) {
    ASSERT_TRUE(Month::parse(text)) << text;
    EXPECT_EQ(Month::parse(text)->text(), text);
  }
  EXPECT_EQ(Month::parse("2026-11")->number(), 202'611);
}

TEST(Month, NothingElseIsOne) {
  for (const char* text : {"", "2026", "2026-1", "2026-00", "2026-13", "2026/11", "2026-11-01",
                           "1969-12", "-026-11", "2026-+1", " 2026-1", "2o26-11"}) {
    EXPECT_FALSE(Month::parse(text)) << text;
  }
}

TEST(Month, HasTheDaysOfTheCalendar) {
  EXPECT_EQ(day_text(20'000), "2024-10-04");
  EXPECT_EQ(Month::of_day(20'000).text(), "2024-10");
  EXPECT_EQ(day_text(Month::parse("2024-02")->first_day()), "2024-02-01");
  EXPECT_EQ(day_text(Month::parse("2024-02")->plus(1).first_day() - 1), "2024-02-29");
  EXPECT_EQ(day_at(0), 0);
  EXPECT_EQ(day_at(86'399'999'999), 0);
  EXPECT_EQ(day_at(86'400'000'000), 1);
}

TEST(Month, CountsOverTheEndOfYears) {
  const Month month = *Month::parse("2026-11");
  EXPECT_EQ(month.plus(2).text(), "2027-01");
  EXPECT_EQ(month.plus(-13).text(), "2025-10");
  EXPECT_LT(month.plus(-1), month);
}

}  // namespace
}  // namespace quota::usage
