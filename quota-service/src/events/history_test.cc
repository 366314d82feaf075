#include "events/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace quota::events {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Holds 1 to n; even ones are denials, and of "acme".
void fill(History& history, int n) {
  for (int i = 1; i <= n; ++i) {
    history.add(std::to_string(i), i % 2 == 0 ? "acme" : "beta", i % 2 == 0);
  }
}

TEST(HistoryTest, IsReadPageByPage) {
  History history(10);
  fill(history, 5);
  auto page = history.read({.after = 0, .limit = 3});
  EXPECT_THAT(page.lines, ElementsAre("1", "2", "3"));
  EXPECT_EQ(page.next, 3U);
  EXPECT_EQ(page.missed, 0U);
  page = history.read({.after = page.next, .limit = 3});
  EXPECT_THAT(page.lines, ElementsAre("4", "5"));
  page = history.read({.after = page.next, .limit = 3});
  EXPECT_THAT(page.lines, IsEmpty());
  EXPECT_EQ(page.next, 5U);
}

TEST(HistoryTest, SaysHowManyWereMissed) {
  History history(4);
  fill(history, 10);
  const auto page = history.read({.after = 3});
  EXPECT_THAT(page.lines, ElementsAre("7", "8", "9", "10"));
  EXPECT_EQ(page.missed, 3U);
  EXPECT_EQ(history.read({.after = 6}).missed, 0U);
}

TEST(HistoryTest, BeginsWithTheNewest) {
  History history(4);
  fill(history, 10);
  const auto page = history.read({.newest = true, .limit = 2});
  EXPECT_THAT(page.lines, ElementsAre("9", "10"));
  EXPECT_EQ(page.next, 10U);
  EXPECT_EQ(page.missed, 0U);
  EXPECT_EQ(history.read({.newest = true, .limit = 0}).next, 10U);
}

TEST(HistoryTest, ShowsOnlyWhatIsAskedForAndGoesOnBehindTheRest) {
  History history(10);
  fill(history, 7);
  const auto denials = history.read({.denials_only = true});
  EXPECT_THAT(denials.lines, ElementsAre("2", "4", "6"));
  EXPECT_EQ(denials.next, 7U);
  EXPECT_THAT(history.read({.one_consumer = true, .names = {"beta", "x"}}).lines,
              ElementsAre("1", "3", "5", "7"));
  EXPECT_THAT(history.read({.one_consumer = true}).lines, IsEmpty());
}

TEST(HistoryTest, ALimitDoesNotSkipWhatMatches) {
  History history(10);
  fill(history, 7);
  const auto first = history.read({.limit = 1, .denials_only = true});
  EXPECT_THAT(first.lines, ElementsAre("2"));
  EXPECT_THAT(history.read({.after = first.next, .denials_only = true}).lines,
              ElementsAre("4", "6"));
}

TEST(HistoryTest, ANumberOfAnotherLifeFindsNothing) {
  History history(10);
  fill(history, 3);
  const auto page = history.read({.after = 1000});
  EXPECT_THAT(page.lines, IsEmpty());
  EXPECT_EQ(page.next, 3U);
}

TEST(HistoryTest, EachHasANameOfItsOwn) {
  EXPECT_EQ(History().instance().size(), 16U);
  EXPECT_NE(History().instance(), History().instance());
}

}  // namespace
}  // namespace quota::events
