#include <gtest/gtest.h>

#include "identity/fake_source.h"
#include "identity/resolver.h"
#include "identity/test_policy.h"

namespace quota::identity {
namespace {

using test::consumer;

constexpr int64_t kNow = 1'800'000'000;

class ResolverPendingTest : public testing::Test {
 protected:
  ResolverPendingTest() {
    policy_.identity.trust_consumer = true;
    policy_.consumers = {consumer("listed", "pro", {"listed key"})};
    policy_.index_all();
    source_.records = {consumer("managed", "pro", {"managed key"})};
    begin();
  }

  void begin(int64_t unix_s = kNow) { resolver_.begin(policy_, 1, test::at(unix_s)); }
  void answer(int64_t unix_s = kNow) { source_.answer_all(test::at(unix_s).mono_us); }

  const Subject& key(std::string_view key) {
    Check check;
    check.api_key = key;
    return resolver_.resolve(check, awaiter_);
  }
  const Subject& named(std::string_view id) {
    Check check;
    check.consumer = id;
    return resolver_.resolve(check, awaiter_);
  }

  policy::Policy policy_ = test::basic_policy();
  PartialDirectory directory_;
  test::FakeSource source_{directory_};
  std::shared_ptr<test::FakeAwaiter> awaiter_ = std::make_shared<test::FakeAwaiter>();
  Resolver resolver_{directory_};
};

TEST_F(ResolverPendingTest, AKeyOfFirstSightIsPendingAndThenKnown) {
  const Subject& first = key("managed key");
  ASSERT_EQ(first.kind, Kind::kPending);
  const uint64_t lookup = first.lookup;
  answer();
  EXPECT_EQ(awaiter_->ended, std::vector{lookup});
  const Subject& second = key("managed key");
  EXPECT_EQ(second.consumer, "managed");
  EXPECT_EQ(second.tier, "pro");
  EXPECT_FALSE(second.is_uncertain);
}

TEST_F(ResolverPendingTest, WhatIsPendingIsNotCachedAndAFirstAnswerDropsNothing) {
  key("listed key");
  key("managed key");
  EXPECT_EQ(resolver_.cached(), 1u);
  answer();
  begin();
  EXPECT_EQ(resolver_.cached(), 1u);
  key("managed key");
  EXPECT_EQ(resolver_.cached(), 2u);
}

TEST_F(ResolverPendingTest, APolicysOwnKeysAndConsumersAreNotLookedUp) {
  EXPECT_EQ(key("listed key").consumer, "listed");
  EXPECT_EQ(named("listed").consumer, "listed");
  EXPECT_EQ(source_.asked_in_all, 0u);
}

TEST_F(ResolverPendingTest, ATrustedNameWaitsForItsRecord) {
  EXPECT_EQ(named("managed").kind, Kind::kPending);
  EXPECT_EQ(named("unrecorded").kind, Kind::kPending);
  answer();
  EXPECT_EQ(named("managed").tier, "pro");
  EXPECT_EQ(named("unrecorded").tier, "free");
}

TEST_F(ResolverPendingTest, WithoutAnAwaiterWhatIsNotKnownIsUncertain) {
  Check check;
  check.api_key = "managed key";
  const Subject& stranger = resolver_.resolve(check);
  EXPECT_EQ(stranger.kind, Kind::kAnonymous);
  EXPECT_TRUE(stranger.is_uncertain);
  check.api_key = {};
  EXPECT_FALSE(resolver_.resolve(check).is_uncertain);

  check.consumer = "managed";
  const Subject& named = resolver_.resolve(check);
  EXPECT_EQ(named.consumer, "managed");
  EXPECT_EQ(named.tier, "free");
  EXPECT_TRUE(named.is_uncertain);
  EXPECT_EQ(resolver_.cached(), 0u);
}

TEST_F(ResolverPendingTest, ASourceThatIsAwayMakesAKeyUnknownAndUncertain) {
  source_.is_away = true;
  key("managed key");
  answer();
  EXPECT_EQ(key("managed key").kind, Kind::kAnonymous);
  EXPECT_TRUE(key("managed key").is_uncertain);
  policy_.identity.unknown_credentials = policy::UnknownCredentials::kReject;
  EXPECT_EQ(key("managed key").kind, Kind::kRejected);
  EXPECT_TRUE(key("managed key").is_uncertain);
  EXPECT_EQ(resolver_.cached(), 0u);
}

TEST_F(ResolverPendingTest, ACredentialIsCachedNoLongerThanTheAnswerLasts) {
  key("managed key");
  key("unknown key");
  answer();
  EXPECT_EQ(key("managed key").consumer, "managed");
  EXPECT_EQ(key("unknown key").kind, Kind::kAnonymous);
  source_.records[0].tier = "free";
  begin(kNow + 9);
  key("unknown key");
  EXPECT_TRUE(source_.asked.empty());
  begin(kNow + 10);
  key("unknown key");
  EXPECT_EQ(source_.asked.size(), 1u);
  answer(kNow + 10);
  begin(kNow + 59);
  EXPECT_EQ(key("managed key").tier, "pro");
  EXPECT_TRUE(source_.asked.empty());
  begin(kNow + 60);
  EXPECT_EQ(key("managed key").tier, "pro");
  answer(kNow + 60);
  begin(kNow + 61);
  EXPECT_EQ(key("managed key").tier, "free");
}

TEST_F(ResolverPendingTest, AChangeReachesTheNextBatch) {
  key("managed key");
  answer();
  EXPECT_EQ(key("managed key").tier, "pro");
  source_.records[0].tier = "free";
  directory_.forget("managed", {});
  begin();
  EXPECT_EQ(key("managed key").kind, Kind::kPending);
  answer();
  EXPECT_EQ(key("managed key").tier, "free");
}

}  // namespace
}  // namespace quota::identity
