#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "identity/full_directory.h"
#include "identity/resolver.h"
#include "identity/test_policy.h"
#include "identity/test_tokens.h"

namespace {

thread_local size_t allocations = 0;

}  // namespace

// Not inlined: where only one of a pair is, GCC takes them for mismatched.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace quota::identity {
namespace {

using test::consumer;

constexpr int64_t kNow = 1'800'000'000;
const std::string kSecret = "a secret of thirty-two bytes ....";

class ResolverCacheTest : public testing::Test {
 protected:
  ResolverCacheTest() {
    policy_.identity.trust_consumer = true;
    policy_.identity.jwt.emplace().key = kSecret;
    policy_.consumers = {consumer("listed", "pro", {"listed key"})};
    policy_.index_all();
    directory_.put(consumer("managed", "pro", {"managed key"}));
    begin();
  }

  void begin(int64_t unix_s = kNow) {
    resolver_.begin(policy_, policy_generation_, test::at(unix_s));
  }

  const Subject& resolve_key(std::string_view key) {
    Check check;
    check.api_key = key;
    return resolver_.resolve(check);
  }

  const Subject& resolve_bearer(std::string_view token) {
    Check check;
    check.bearer = token;
    return resolver_.resolve(check);
  }

  static std::string token(int64_t expires, const std::string& more = "") {
    return test::token_of_libjwt(
        JWT_ALG_HS256, kSecret,
        R"({"sub":"tokened","exp":)" + std::to_string(expires) + more + "}");
  }

  policy::Policy policy_ = test::basic_policy();
  uint64_t policy_generation_ = 1;
  FullDirectory directory_;
  Resolver resolver_{directory_, {.cached_credentials = 1000}};
};

TEST_F(ResolverCacheTest, HoldsBoundedEntriesUnderAFloodOfRandomKeys) {
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(resolve_key("random key " + std::to_string(i)).kind, Kind::kAnonymous);
    ASSERT_LE(resolver_.cached(), 1000u);
    if (i % 100 == 0) {
      ASSERT_EQ(resolve_key("listed key").consumer, "listed");
      ASSERT_EQ(resolve_key("managed key").consumer, "managed");
    }
  }
}

TEST_F(ResolverCacheTest, HoldsBoundedEntriesUnderAFloodOfTrustedNamesAndOfTokens) {
  const std::string good = token(kNow + 60);
  for (int i = 0; i < 5'000; ++i) {
    const std::string name = "consumer-" + std::to_string(i);
    Check check;
    check.consumer = name;
    ASSERT_EQ(resolver_.resolve(check).consumer, name);
    ASSERT_EQ(resolve_bearer(good + std::to_string(i)).kind, Kind::kAnonymous);
    ASSERT_LE(resolver_.cached(), 1000u);
  }
  EXPECT_EQ(resolve_bearer(good).consumer, "tokened");
}

TEST_F(ResolverCacheTest, ASmallestCacheStillAnswersRight) {
  Resolver resolver(directory_, {.cached_credentials = 0});
  resolver.begin(policy_, 1, test::at(kNow));
  for (int i = 0; i < 10; ++i) {
    Check check;
    check.api_key = i % 2 ? "listed key" : "managed key";
    EXPECT_EQ(resolver.resolve(check).consumer, i % 2 ? "listed" : "managed");
  }
}

TEST_F(ResolverCacheTest, ASubjectStaysUntilTheFirstPlaceIsUsedAgain) {
  Resolver resolver(directory_, {.cached_credentials = 0});
  resolver.begin(policy_, 1, test::at(kNow));
  std::vector<const Subject*> subjects;
  std::vector<std::string> addresses;
  for (size_t place = 0; place < kPlaces; ++place) {
    addresses.push_back(test::ip("192.0.2." + std::to_string(place)));
    const std::string name = "consumer-with-a-long-name-" + std::to_string(place);
    Check check;
    check.client_ip = addresses.back();
    if (place % 2 == 0) check.consumer = name;
    subjects.push_back(&resolver.resolve(check, nullptr, place));
  }
  for (size_t place = 0; place < kPlaces; ++place) {
    EXPECT_EQ(subjects[place]->key, place % 2 == 0
                                        ? "c:consumer-with-a-long-name-" + std::to_string(place)
                                        : "a:" + addresses[place]);
  }
  EXPECT_LE(resolver.cached(), 2u);
}

TEST_F(ResolverCacheTest, ARevokedKeyStopsWithTheNextBatch) {
  EXPECT_EQ(resolve_key("managed key").consumer, "managed");
  directory_.remove("managed");
  begin();
  EXPECT_EQ(resolve_key("managed key").kind, Kind::kAnonymous);
}

TEST_F(ResolverCacheTest, ANewKeyWorksWithTheNextBatchThoughItWasUnknownBefore) {
  EXPECT_EQ(resolve_key("new key").kind, Kind::kAnonymous);
  directory_.put(consumer("managed", "free", {"new key"}));
  begin();
  EXPECT_EQ(resolve_key("new key").consumer, "managed");
  EXPECT_EQ(resolve_key("new key").tier, "free");
  EXPECT_EQ(resolve_key("managed key").kind, Kind::kAnonymous);
}

TEST_F(ResolverCacheTest, ANewPolicyDropsWhatTheOldOneSaid) {
  EXPECT_EQ(resolve_key("listed key").tier, "pro");
  const std::string good = token(kNow + 60);
  EXPECT_EQ(resolve_bearer(good).consumer, "tokened");
  policy::Policy next = test::basic_policy();
  next.consumers = {consumer("listed", "partner", {"listed key"})};
  next.identity.jwt.emplace().key = "a new secret of thirty-two bytes.";
  next.anonymous.limits = test::minute(5);
  next.index_all();
  resolver_.begin(next, 2, test::at(kNow));
  EXPECT_EQ(resolver_.cached(), 0u);
  EXPECT_EQ(resolve_key("listed key").tier, "partner");
  EXPECT_EQ(resolve_bearer(good).kind, Kind::kAnonymous);
  EXPECT_EQ(resolve_bearer(good).limits, test::minute(5));
}

TEST_F(ResolverCacheTest, APolicyChangedInPlaceIsNewByItsGeneration) {
  EXPECT_EQ(resolve_key("listed key").tier, "pro");
  policy_.consumers[0].tier = "free";
  ++policy_generation_;
  begin();
  EXPECT_EQ(resolve_key("listed key").tier, "free");
}

TEST_F(ResolverCacheTest, AnotherPolicyIsNewWhateverItsGeneration) {
  EXPECT_EQ(resolve_key("listed key").tier, "pro");
  policy::Policy other = test::basic_policy();
  resolver_.begin(other, policy_generation_, test::at(kNow));
  EXPECT_EQ(resolve_key("listed key").kind, Kind::kAnonymous);
}

TEST_F(ResolverCacheTest, NothingIsForgottenWhenNothingChanges) {
  resolve_key("listed key");
  resolve_key("unknown key");
  begin(kNow + 5);
  EXPECT_EQ(resolver_.cached(), 2u);
}

TEST_F(ResolverCacheTest, ARememberedTokenIsRefusedAtTheSecondItExpires) {
  const std::string good = token(kNow + 60);
  EXPECT_EQ(resolve_bearer(good).consumer, "tokened");
  begin(kNow + 59);
  EXPECT_EQ(resolve_bearer(good).consumer, "tokened");
  begin(kNow + 60);
  EXPECT_EQ(resolve_bearer(good).kind, Kind::kAnonymous);
  begin(kNow + 61);
  EXPECT_EQ(resolve_bearer(good).kind, Kind::kAnonymous);
}

TEST_F(ResolverCacheTest, ATokenRefusedForBeingEarlyIsAcceptedInTime) {
  const std::string early = token(kNow + 1000, ",\"nbf\":" + std::to_string(kNow + 100));
  EXPECT_EQ(resolve_bearer(early).kind, Kind::kAnonymous);
  begin(kNow + 39);
  EXPECT_EQ(resolve_bearer(early).kind, Kind::kAnonymous);
  begin(kNow + 40);
  EXPECT_EQ(resolve_bearer(early).consumer, "tokened");
}

TEST_F(ResolverCacheTest, AClockSetBackIsBelieved) {
  const std::string good = token(kNow + 60);
  begin(kNow + 60);
  EXPECT_EQ(resolve_bearer(good).kind, Kind::kAnonymous);
  begin(kNow);
  EXPECT_EQ(resolve_bearer(good).consumer, "tokened");
}

TEST_F(ResolverCacheTest, ACredentialOfOneKindIsNoneOfAnother) {
  policy_.consumers.push_back(consumer("other", "free", {"listed"}));
  policy_.index_all();
  ++policy_generation_;
  begin();
  Check check;
  check.consumer = "listed";
  EXPECT_EQ(resolver_.resolve(check).consumer, "listed");
  EXPECT_EQ(resolve_key("listed").consumer, "other");
}

TEST_F(ResolverCacheTest, WhatIsRememberedOrAnonymousIsResolvedWithoutAllocating) {
  const std::string good = token(kNow + 60);
  const std::string v4 = test::ip("192.0.2.1");
  const std::string v6 = test::ip("2001:db8::1");
  const std::string listed = test::ip("10.0.0.1");
  std::vector<Check> checks(8);
  checks[0].api_key = "listed key";
  checks[1].api_key = "managed key";
  checks[2].api_key = "unknown key";
  checks[3].bearer = good;
  checks[4].consumer = "a-consumer-with-a-name-longer-than-any-short-string";
  checks[5].client_ip = v4;
  checks[6].client_ip = v6;
  checks[7].client_ip = listed;
  for (const Check& check : checks) resolver_.resolve(check);
  const size_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    for (const Check& check : checks) resolver_.resolve(check);
  }
  EXPECT_EQ(allocations, before);
}

TEST_F(ResolverCacheTest, ResolversOfManyThreadsShareADirectoryThatChanges) {
  std::array<std::thread, 3> readers;
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  for (std::thread& reader : readers) {
    reader = std::thread([&] {
      Resolver resolver(directory_);
      while (!done) {
        resolver.begin(policy_, policy_generation_, test::at(kNow));
        Check check;
        check.api_key = "managed key";
        const Subject& subject = resolver.resolve(check);
        if (subject.kind == Kind::kConsumer && subject.consumer != "managed") ++wrong;
      }
    });
  }
  for (int i = 0; i < 2000; ++i) {
    directory_.remove("managed");
    directory_.put(consumer("managed", "pro", {"managed key"}));
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  begin();
  EXPECT_EQ(resolve_key("managed key").consumer, "managed");
}

}  // namespace
}  // namespace quota::identity
