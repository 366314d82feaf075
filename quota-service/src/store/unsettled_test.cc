#include "store/unsettled.h"

#include <gtest/gtest.h>

#include "store/test_support.h"

namespace quota::store {
namespace {

using engine::MonthKey;

const MonthKey kMonth{"c:acme", 20'000};
const MonthKey kOther{std::string("a:\x0a\0\0\1", 6), 20'000};

class UnsettledTest : public testing::Test {
 protected:
  std::unique_ptr<Unsettled> open(const std::string& holder) {
    auto journal = Journal::open(path_);
    EXPECT_TRUE(journal.ok()) << journal.status();
    auto unsettled = std::make_unique<Unsettled>(holder, *std::move(journal));
    EXPECT_TRUE(unsettled->load().ok());
    return unsettled;
  }

  static std::vector<Unsettled::Entry> told_by(Unsettled& unsettled) {
    std::vector<Unsettled::Entry> entries;
    unsettled.tell_all([&](const Unsettled::Entry& entry) { entries.push_back(entry); });
    return entries;
  }

 private:
  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("journal.db");
};

TEST_F(UnsettledTest, WhatCouldNotBeToldIsToldByTheNextLifeUnderTheOldName) {
  {
    const auto first = open("one");
    first->settle(kMonth, "one", 700);
    first->note(kOther, "one", 30, true);
    first->write_down(true);
  }
  const auto second = open("two");
  auto entries = told_by(*second);
  ASSERT_EQ(entries.size(), 2U);
  std::ranges::sort(entries, {}, &Unsettled::Entry::used);
  EXPECT_EQ(entries[0].month, kOther);
  EXPECT_FALSE(entries[0].is_final) << "a killed quotad may have spent more than it wrote down";
  EXPECT_EQ(entries[1].holder, "one");
  EXPECT_EQ(entries[1].month, kMonth);
  EXPECT_EQ(entries[1].used, 700);
  EXPECT_TRUE(entries[1].is_final);
}

TEST_F(UnsettledTest, WhatWasToldIsForgottenInTheFileToo) {
  {
    const auto first = open("one");
    first->settle(kMonth, "one", 700);
    first->write_down(true);
    EXPECT_EQ(first->size(), 1U);
    first->told("one", kMonth, 700);
    EXPECT_TRUE(first->empty());
    first->write_down(false);
  }
  EXPECT_TRUE(open("two")->empty());
}

TEST_F(UnsettledTest, NothingIsWrittenWhileRedisIsThere) {
  {
    const auto first = open("one");
    first->settle(kMonth, "one", 700);
    first->write_down(false);
    EXPECT_EQ(first->journalled(), 0U);
  }
  EXPECT_TRUE(open("two")->empty());
}

TEST_F(UnsettledTest, AnOlderNumberThatWasToldLeavesTheNewerOne) {
  const auto one = open("one");
  one->settle(kMonth, "one", 700);
  EXPECT_EQ(told_by(*one).size(), 1U);
  EXPECT_TRUE(told_by(*one).empty()) << "it is being told already";
  one->settle(kMonth, "one", 900);
  one->told("one", kMonth, 700);
  const auto entries = told_by(*one);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].used, 900);
}

TEST_F(UnsettledTest, ARecordThatComesBackTakesItsCountUpOnceAndIsNotFinal) {
  const auto one = open("one");
  EXPECT_EQ(one->take_up(kMonth, "one"), -1);
  one->settle(kMonth, "one", 700);
  EXPECT_EQ(one->take_up(kMonth, "one"), 700);
  EXPECT_EQ(one->take_up(kMonth, "one"), -1);
  EXPECT_FALSE(told_by(*one).at(0).is_final) << "telling it would give back the new lease";
}

TEST_F(UnsettledTest, WhatMayBeSpentIsToldOnlyAfterACrash) {
  {
    const auto one = open("one");
    one->note(kMonth, "one", 900, true);
    one->write_down(false);
    EXPECT_TRUE(told_by(*one).empty());
    EXPECT_EQ(one->take_up(kMonth, "one"), -1);
  }
  {
    const auto two = open("two");
    EXPECT_EQ(told_by(*two).at(0).used, 900);
    two->note(kOther, "two", 900, true);
    two->write_down(true);
    two->told("two", kOther, 30);
    two->told("one", kMonth, 900);
    two->write_down(true);
  }
  EXPECT_TRUE(open("three")->empty()) << "Redis knew";
}

TEST_F(UnsettledTest, ASettledCountReplacesWhatMightHaveBeenSpent) {
  {
    const auto one = open("one");
    one->note(kMonth, "one", 900, true);
    one->write_down(true);
    one->settle(kMonth, "one", 700);
    one->write_down(true);
  }
  EXPECT_EQ(told_by(*open("two")).at(0).used, 700);
}

TEST_F(UnsettledTest, WhatWasSpentOnAnUnseenCountIsToldOnlyOnceItsRecordIsGone) {
  const auto one = open("one");
  one->note(kMonth, "one", 500, false);
  EXPECT_TRUE(told_by(*one).empty()) << "its record will report it";
  one->spend(kMonth, 600);
  const auto entries = told_by(*one);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].used, 600);
  EXPECT_NE(entries[0].holder, "one") << "it comes on top of what that holder has spent";
  EXPECT_TRUE(entries[0].is_final);
}

TEST_F(UnsettledTest, WhatWasSpentOnAnUnseenCountSurvivesAKill) {
  {
    const auto first = open("one");
    first->note(kMonth, "one", 500, false);
    first->write_down(true);
  }
  const auto entries = told_by(*open("two"));
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].used, 500);
}

TEST_F(UnsettledTest, ARecordThatIsKnownByNowReportsWhatItSpentBefore) {
  const auto one = open("one");
  one->note(kMonth, "one", 500, false);
  one->write_down(true);
  one->told("one", kMonth, 900);
  EXPECT_TRUE(one->empty());
}

TEST_F(UnsettledTest, WhatWasSpentBeforeACountWasSeenIsPartOfItAndNotToldBeside) {
  {
    const auto one = open("one");
    one->note(kMonth, "one", 1000, false);
    one->write_down(true);
    one->note(kMonth, "one", 1500, true);  // seen by now, and spending goes on
    one->note(kOther, "one", 1000, false);
    one->settle(kOther, "one", 1200);
    one->write_down(true);
  }
  const auto two = open("two");
  int64_t sum = 0;
  for (const auto& entry : told_by(*two)) sum += entry.used;
  EXPECT_EQ(sum, 1500 + 1200);
}

TEST_F(UnsettledTest, TwoSpendsOfOneMonthAreBothTold) {
  const auto one = open("one");
  one->spend(kMonth, 5);
  one->spend(kMonth, 7);
  int64_t sum = 0;
  for (const auto& entry : told_by(*one)) sum += entry.used;
  EXPECT_EQ(sum, 12);
}

TEST_F(UnsettledTest, WithoutAJournalItIsKeptInMemory) {
  Unsettled unsettled("one", nullptr);
  ASSERT_TRUE(unsettled.load().ok());
  unsettled.settle(kMonth, "one", 700);
  unsettled.write_down(true);
  EXPECT_EQ(told_by(unsettled).size(), 1U);
}

}  // namespace
}  // namespace quota::store
