#include "identity/credential_cache.h"

#include <gtest/gtest.h>

namespace quota::identity {
namespace {

CredentialKey key(uint64_t number) {
  CredentialKey result;
  result.hash = {number, ~number};
  return result;
}

Finding named(std::string consumer) {
  auto subject = std::make_unique<Subject>();
  subject->consumer = std::move(consumer);
  Finding finding;
  finding.subject = std::move(subject);
  return finding;
}

TEST(CredentialCache, GivesBackWhatWasPutInAndNothingElse) {
  CredentialCache cache(8);
  cache.insert(key(1), named("acme"));
  cache.insert(key(2), {});
  ASSERT_NE(cache.find(key(1), 0), nullptr);
  EXPECT_EQ(cache.find(key(1), 0)->subject->consumer, "acme");
  ASSERT_NE(cache.find(key(2), 0), nullptr);
  EXPECT_EQ(cache.find(key(2), 0)->subject, nullptr);
  EXPECT_EQ(cache.find(key(3), 0), nullptr);
}

TEST(CredentialCache, TellsApartWhatDiffersOnlyInKindTierOrHalfOfTheHash) {
  CredentialCache cache(8);
  cache.insert(key(1), named("acme"));
  CredentialKey other = key(1);
  other.kind = Credential::kApiKey;
  EXPECT_EQ(cache.find(other, 0), nullptr);
  other = key(1);
  other.asserted_tier = 1;
  EXPECT_EQ(cache.find(other, 0), nullptr);
  other = key(1);
  other.hash.high ^= 1;
  EXPECT_EQ(cache.find(other, 0), nullptr);
}

TEST(CredentialCache, NeverHoldsMoreThanItsCapacity) {
  CredentialCache cache(100);
  for (uint64_t i = 0; i < 10'000; ++i) {
    cache.insert(key(i), {});
    ASSERT_LE(cache.size(), 100u);
  }
  EXPECT_GE(cache.size(), 50u);
}

TEST(CredentialCache, KeepsWhatIsAskedForAndDropsTheRest) {
  CredentialCache cache(100);
  cache.insert(key(1'000'000), named("busy"));
  cache.insert(key(1'000'001), named("idle"));
  for (uint64_t i = 0; i < 10'000; ++i) {
    cache.insert(key(i), {});
    if (i % 40 == 0) {
      const Finding* const busy = cache.find(key(1'000'000), 0);
      ASSERT_NE(busy, nullptr) << i;
      ASSERT_EQ(busy->subject->consumer, "busy");
    }
  }
  EXPECT_EQ(cache.find(key(1'000'001), 0), nullptr);
}

TEST(CredentialCache, AFindingIsGoneOutsideItsTimeInEitherGeneration) {
  CredentialCache cache(4);
  const auto timed = [] {
    Finding finding = named("acme");
    finding.from_unix_s = 10;
    finding.until_unix_s = 20;
    return finding;
  };
  cache.insert(key(1), timed());
  EXPECT_EQ(cache.find(key(1), 9), nullptr);
  EXPECT_NE(cache.find(key(1), 10), nullptr);
  EXPECT_NE(cache.find(key(1), 19), nullptr);
  EXPECT_EQ(cache.find(key(1), 20), nullptr);
  cache.insert(key(2), {});
  cache.insert(key(3), {});  // key 1 is in the old generation now
  EXPECT_EQ(cache.find(key(1), 20), nullptr);
}

TEST(CredentialCache, ANewerFindingReplacesAnOlderOne) {
  CredentialCache cache(4);
  cache.insert(key(1), named("before"));
  cache.insert(key(1), named("after"));
  EXPECT_EQ(cache.find(key(1), 0)->subject->consumer, "after");
  EXPECT_EQ(cache.size(), 1u);
}

TEST(CredentialCache, IsEmptyAfterClear) {
  CredentialCache cache(4);
  for (uint64_t i = 0; i < 4; ++i) cache.insert(key(i), {});
  cache.clear();
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.find(key(3), 0), nullptr);
}

}  // namespace
}  // namespace quota::identity
