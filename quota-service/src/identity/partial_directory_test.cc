#include "identity/partial_directory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "identity/fake_source.h"
#include "identity/test_policy.h"

namespace quota::identity {
namespace {

using test::consumer;
using State = Answer::State;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1000 * kSecond;

class PartialDirectoryTest : public testing::Test {
 protected:
  Answer key(std::string_view text, int64_t at = kStart) {
    return directory_.look_up_by_key(sha256(text), at, awaiter_);
  }
  Answer id(std::string_view text, int64_t at = kStart) {
    return directory_.look_up(text, at, awaiter_);
  }
  void forget(std::string_view id, const std::vector<std::string>& keys) {
    std::vector<Sha256> digests;
    for (const std::string& key : keys) digests.push_back(sha256(key));
    directory_.forget(id, digests);
  }

  PartialDirectory directory_{{.most_known = 100, .most_absent = 50, .most_in_flight = 20}};
  test::FakeSource source_{directory_};
  std::shared_ptr<test::FakeAwaiter> awaiter_ = std::make_shared<test::FakeAwaiter>();
};

TEST_F(PartialDirectoryTest, AKeyIsPendingUntilTheSourceHasAnswered) {
  source_.records = {consumer("acme", "pro", {"one"})};
  const Answer first = key("one");
  EXPECT_EQ(first.state, State::kPending);
  EXPECT_TRUE(awaiter_->ended.empty());
  source_.answer_all(kStart);
  EXPECT_EQ(awaiter_->ended, std::vector{first.lookup});
  const Answer second = key("one");
  ASSERT_EQ(second.state, State::kKnown);
  EXPECT_EQ(second.consumer->tier, "pro");
}

TEST_F(PartialDirectoryTest, OneAnswerIsGoodForTheIdAndForEachKey) {
  source_.records = {consumer("acme", "pro", {"one", "two"})};
  key("one");
  source_.answer_all(kStart);
  EXPECT_EQ(key("two").state, State::kKnown);
  EXPECT_EQ(id("acme").state, State::kKnown);
  EXPECT_EQ(source_.asked_in_all, 1u);
}

TEST_F(PartialDirectoryTest, WhoeverAsksMeanwhileSharesTheLookup) {
  const uint64_t lookup = key("one").lookup;
  const auto other = std::make_shared<test::FakeAwaiter>();
  EXPECT_EQ(key("one").lookup, lookup);
  EXPECT_EQ(directory_.look_up_by_key(sha256("one"), kStart, other).lookup, lookup);
  EXPECT_EQ(source_.asked_in_all, 1u);
  source_.answer_all(kStart);
  EXPECT_EQ(awaiter_->ended, std::vector{lookup});
  EXPECT_EQ(other->ended, std::vector{lookup});
}

TEST_F(PartialDirectoryTest, NobodyIsRememberedToo) {
  key("one");
  id("acme");
  source_.answer_all(kStart);
  EXPECT_EQ(key("one").state, State::kAbsent);
  EXPECT_EQ(id("acme").state, State::kAbsent);
  EXPECT_EQ(source_.asked_in_all, 2u);
}

TEST_F(PartialDirectoryTest, AnAnswerSaysForHowLongItMayBeBelieved) {
  source_.records = {consumer("acme", "pro", {"one"})};
  key("one");
  key("two");
  source_.answer_all(kStart);
  EXPECT_EQ(key("one", kStart + 20 * kSecond).lasts_us, 40 * kSecond);
  EXPECT_EQ(key("two", kStart + 2 * kSecond).lasts_us, 8 * kSecond);
}

TEST_F(PartialDirectoryTest, AFirstAnswerIsNoNewGeneration) {
  source_.records = {consumer("acme", "pro", {"one"})};
  const uint64_t before = directory_.generation();
  key("one");
  key("two");
  id("zenith");
  source_.answer_all(kStart);
  EXPECT_EQ(directory_.generation(), before);
}

TEST_F(PartialDirectoryTest, AnExpiredConsumerIsUsedWhileItIsLookedUpAgain) {
  source_.records = {consumer("acme", "pro", {"one"})};
  key("one");
  source_.answer_all(kStart);
  const int64_t later = kStart + 60 * kSecond;
  const uint64_t before = directory_.generation();
  const Answer stale = key("one", later);
  EXPECT_EQ(stale.state, State::kKnown);
  EXPECT_LE(stale.lasts_us, kSecond);
  EXPECT_EQ(source_.asked.size(), 1u);
  source_.answer_all(later);
  EXPECT_EQ(key("one", later).lasts_us, 60 * kSecond);
  EXPECT_EQ(directory_.generation(), before);
}

TEST_F(PartialDirectoryTest, ARefreshThatSaysSomethingElseIsANewGeneration) {
  source_.records = {consumer("acme", "pro", {"one"})};
  key("one");
  source_.answer_all(kStart);
  const int64_t later = kStart + 60 * kSecond;
  source_.records = {consumer("acme", "free", {"two"})};
  const uint64_t before = directory_.generation();
  key("one", later);
  source_.answer_all(later);
  EXPECT_NE(directory_.generation(), before);
  EXPECT_EQ(id("acme", later).consumer->tier, "free");
  EXPECT_EQ(key("two", later).state, State::kKnown);
  EXPECT_EQ(key("one", later).state, State::kPending);
}

TEST_F(PartialDirectoryTest, ARefreshThatFindsNobodyIsANewGeneration) {
  source_.records = {consumer("acme", "pro", {"one"})};
  key("one");
  source_.answer_all(kStart);
  source_.records.clear();
  const int64_t later = kStart + 60 * kSecond;
  const uint64_t before = directory_.generation();
  key("one", later);
  source_.answer_all(later);
  EXPECT_NE(directory_.generation(), before);
  EXPECT_EQ(id("acme", later).state, State::kAbsent);
}

TEST_F(PartialDirectoryTest, AConsumerThatIsKnownOutlivesASourceThatIsAwayForABoundedTime) {
  source_.records = {consumer("acme", "pro", {"one"})};
  key("one");
  source_.answer_all(kStart);
  source_.is_away = true;
  const int64_t end = kStart + (60 + 3600) * kSecond;
  for (int64_t at = kStart + 60 * kSecond; at < end; at += 10 * kSecond) {
    ASSERT_EQ(key("one", at).state, State::kKnown);
    source_.answer_all(at);
  }
  EXPECT_EQ(key("one", end).state, State::kPending);
  source_.answer_all(end);
  EXPECT_EQ(key("one", end).state, State::kUnavailable);
}

TEST_F(PartialDirectoryTest, ASourceThatFailsIsNotAskedAgainAtOnce) {
  source_.is_away = true;
  key("one");
  source_.answer_all(kStart);
  EXPECT_EQ(key("one", kStart + kSecond / 10).state, State::kUnavailable);
  EXPECT_EQ(source_.asked_in_all, 1u);
  EXPECT_EQ(key("one", kStart + kSecond).state, State::kPending);

  source_.is_away = false;
  source_.records = {consumer("acme", "pro", {"one"})};
  source_.answer_all(kStart + kSecond);
  source_.is_away = true;
  const int64_t later = kStart + 70 * kSecond;
  key("one", later);
  source_.answer_all(later);
  key("one", later);
  EXPECT_TRUE(source_.asked.empty());
}

TEST_F(PartialDirectoryTest, NobodyIsUsedTwiceAsLongWhileItIsLookedUpAgain) {
  key("one");
  source_.answer_all(kStart);
  EXPECT_EQ(key("one", kStart + 10 * kSecond).state, State::kAbsent);
  EXPECT_EQ(source_.asked.size(), 1u);
  source_.asked.clear();
  EXPECT_EQ(key("two", kStart).state, State::kPending);
  source_.answer_all(kStart);
  EXPECT_EQ(key("two", kStart + 20 * kSecond).state, State::kPending);
}

TEST_F(PartialDirectoryTest, AForgottenConsumerIsLookedUpAgainByIdAndByKey) {
  source_.records = {consumer("acme", "pro", {"one", "two"})};
  key("one");
  source_.answer_all(kStart);
  const uint64_t before = directory_.generation();
  forget("acme", {});
  EXPECT_NE(directory_.generation(), before);
  EXPECT_EQ(key("one").state, State::kPending);
  EXPECT_EQ(key("two").state, State::kPending);
  EXPECT_EQ(id("acme").state, State::kPending);
}

TEST_F(PartialDirectoryTest, AKeyOfNobodyWorksAtOnceWhenItIsGivenToSomebody) {
  key("one");
  id("acme");
  source_.answer_all(kStart);
  source_.records = {consumer("acme", "pro", {"one"})};
  forget("acme", {"one"});
  EXPECT_EQ(key("one").state, State::kPending);
  EXPECT_EQ(id("acme").state, State::kPending);
  source_.answer_all(kStart);
  EXPECT_EQ(key("one").state, State::kKnown);
}

TEST_F(PartialDirectoryTest, WhatResolversMayStillRememberIsForgottenByThemToo) {
  const uint64_t before = directory_.generation();
  forget("pushed-out-long-ago", {"one"});
  EXPECT_NE(directory_.generation(), before);
}

TEST_F(PartialDirectoryTest, AnAnswerThatAChangeHasOvertakenIsNotUsed) {
  for (const bool names_keys : {true, false}) {
    source_.records = {consumer("acme", "old", {"one"})};
    key("one", kStart);
    const std::vector<Question> asked = source_.asked;
    forget("acme", names_keys ? std::vector<std::string>{"one"} : std::vector<std::string>{});
    source_.answer_all(kStart);
    EXPECT_EQ(key("one").state, State::kPending);
    EXPECT_EQ(source_.asked, asked);
    source_.records = {consumer("acme", "new", {"one"})};
    source_.answer_all(kStart);
    EXPECT_EQ(key("one").consumer->tier, "new");
    forget("acme", {"one"});
  }
  EXPECT_EQ(awaiter_->ended.size(), 2u);
}

TEST_F(PartialDirectoryTest, AChangeOfSomebodyElseDoesNotAskTwice) {
  key("one");
  forget("zenith", {"two"});
  source_.answer_all(kStart);
  EXPECT_EQ(key("one").state, State::kAbsent);
}

TEST_F(PartialDirectoryTest, AKeyThatMovedBelongsToItsNewOwner) {
  source_.records = {consumer("acme", "pro", {"one"})};
  key("one");
  source_.answer_all(kStart);
  source_.records = {consumer("zenith", "free", {"one"})};
  const uint64_t before = directory_.generation();
  id("zenith");
  source_.answer_all(kStart);
  EXPECT_NE(directory_.generation(), before);
  EXPECT_EQ(key("one").consumer->id, "zenith");
  forget("acme", {});
  EXPECT_EQ(key("one").consumer->id, "zenith");
}

TEST_F(PartialDirectoryTest, AfterAGapEverythingIsLookedUpAgainAndUsedMeanwhile) {
  source_.records = {consumer("acme", "pro", {"one"})};
  key("one");
  key("two");
  source_.answer_all(kStart);
  const uint64_t before = directory_.generation();
  directory_.refresh_all(kStart + kSecond);
  EXPECT_NE(directory_.generation(), before);
  EXPECT_EQ(key("one", kStart + kSecond).state, State::kKnown);
  EXPECT_EQ(key("two", kStart + kSecond).state, State::kAbsent);
  EXPECT_EQ(source_.asked.size(), 2u);
}

TEST_F(PartialDirectoryTest, AFloodOfRandomKeysPushesNoConsumerOutAndIsForgotten) {
  for (int i = 0; i < 40; ++i) {
    source_.records.push_back(
        consumer("c" + std::to_string(i), "pro", {"key" + std::to_string(i)}));
    key("key" + std::to_string(i));
    source_.answer_all(kStart);
  }
  for (int i = 0; i < 5000; ++i) {
    key("random" + std::to_string(i));
    source_.answer_all(kStart);
  }
  EXPECT_EQ(directory_.stats().absent, 50u);
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(key("key" + std::to_string(i)).state, State::kKnown) << i;
  }
}

TEST_F(PartialDirectoryTest, ConsumersAreBoundedAndTheBusyOnesStay) {
  for (int i = 0; i < 500; ++i) {
    source_.records = {consumer("c" + std::to_string(i), "pro", {"key" + std::to_string(i)})};
    key("key" + std::to_string(i));
    source_.answer_all(kStart);
    ASSERT_EQ(key("key0").state, State::kKnown) << i;
    ASSERT_LE(directory_.stats().known, 100u);
  }
  EXPECT_EQ(directory_.stats().known, 100u);
  EXPECT_EQ(key("key450").state, State::kPending);
}

TEST_F(PartialDirectoryTest, BeyondTheBoundOfLookupsNothingIsAsked) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(key(std::to_string(i)).state, State::kPending);
  EXPECT_EQ(key("one more").state, State::kUnavailable);
  EXPECT_EQ(key("7").state, State::kPending);
  EXPECT_EQ(source_.asked_in_all, 20u);
  EXPECT_EQ(directory_.stats().unasked, 1u);
  source_.answer_all(kStart);
  EXPECT_EQ(key("one more").state, State::kPending);
}

TEST_F(PartialDirectoryTest, WithoutASourceNothingCanBeSaid) {
  directory_.use(nullptr);
  EXPECT_EQ(key("one").state, State::kUnavailable);
}

TEST_F(PartialDirectoryTest, ARecordThatDoesNotListTheKeyIsNotItsOwner) {
  key("one");
  source_.asked.clear();
  directory_.answered(sha256("one"), consumer("acme", "pro", {"two"}), kStart);
  EXPECT_EQ(key("one").state, State::kAbsent);
}

TEST_F(PartialDirectoryTest, MayBeAskedAndAnsweredAndChangedByManyThreads) {
  source_.records = {consumer("acme", "pro", {"one"})};
  std::atomic<bool> done = false;
  std::thread reader([&] {
    for (int64_t at = kStart; !done; ++at) {
      const Answer answer = directory_.look_up_by_key(sha256("one"), at, nullptr);
      if (answer.state == State::kKnown) {
        EXPECT_EQ(answer.consumer->id, "acme");
      }
    }
  });
  for (int i = 0; i < 5000; ++i) {
    directory_.answered(sha256("one"), source_.records[0], kStart + i);
    if (i % 3 == 0) forget("acme", {"one"});
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace quota::identity
