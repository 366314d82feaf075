#include "identity/resolver.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "identity/full_directory.h"
#include "identity/test_policy.h"
#include "identity/test_tokens.h"

namespace quota::identity {
namespace {

using test::consumer;
using test::from;
using test::ip;
using test::minute;

constexpr int64_t kNow = 1'800'000'000;
const std::string kSecret = "a secret of thirty-two bytes ....";

class ResolverTest : public testing::Test {
 protected:
  // Each call sees the policy and the directory as they are now.
  const Subject& resolve(const Check& check, int64_t unix_s = kNow) {
    policy_.index_all();
    resolver_.begin(policy_, ++policy_generation_, test::at(unix_s));
    return resolver_.resolve(check);
  }

  const Subject& resolve_consumer(std::string_view id, std::string_view tier = "") {
    Check check;
    check.consumer = id;
    check.tier = tier;
    return resolve(check);
  }

  const Subject& resolve_key(std::string_view key, std::string_view tier = "") {
    Check check;
    check.api_key = key;
    check.tier = tier;
    return resolve(check);
  }

  const Subject& resolve_bearer(std::string_view bearer, std::string_view tier = "") {
    Check check;
    check.bearer = bearer;
    check.tier = tier;
    return resolve(check);
  }

  const Subject& resolve_ip(std::string_view text) {
    const std::string bytes = ip(text);
    return resolve(from(bytes));
  }

  void verify_tokens() {
    policy_.identity.jwt.emplace();
    policy_.identity.jwt->key = kSecret;
  }

  static std::string token(const std::string& id, const std::string& more = "") {
    return test::token_of_libjwt(
        JWT_ALG_HS256, kSecret,
        R"({"sub":")" + id + R"(","exp":)" + std::to_string(kNow + 60) + more + "}");
  }

  policy::Policy policy_ = test::basic_policy();
  FullDirectory directory_;
  Resolver resolver_{directory_};
  uint64_t policy_generation_ = 0;
};

// Which credential counts.

TEST_F(ResolverTest, TakesTheFirstCredentialThatIsKnown) {
  policy_.identity.trust_consumer = true;
  verify_tokens();
  policy_.consumers = {consumer("by-key", "pro", {"key"})};
  const std::string bearer = token("by-token");
  const std::string address = ip("192.0.2.1");
  Check check = from(address);
  check.consumer = "by-gateway";
  check.bearer = bearer;
  check.api_key = "key";
  EXPECT_EQ(resolve(check).consumer, "by-gateway");
  EXPECT_EQ(resolve(check).how, "consumer");
  check.consumer = {};
  EXPECT_EQ(resolve(check).consumer, "by-token");
  EXPECT_EQ(resolve(check).how, "bearer");
  check.bearer = {};
  EXPECT_EQ(resolve(check).consumer, "by-key");
  EXPECT_EQ(resolve(check).how, "api_key");
  check.api_key = {};
  EXPECT_EQ(resolve(check).kind, Kind::kAnonymous);
  EXPECT_EQ(resolve(check).how, "anonymous");
}

TEST_F(ResolverTest, PassesOverACredentialThatIsNotKnown) {
  verify_tokens();
  policy_.identity.unknown_credentials = policy::UnknownCredentials::kReject;
  policy_.consumers = {consumer("acme", "pro", {"key"})};
  Check check;
  check.bearer = "no.such.token";
  check.api_key = "key";
  EXPECT_EQ(resolve(check).consumer, "acme");
}

TEST_F(ResolverTest, BelievesNoConsumerUnlessThePolicyTrustsIt) {
  EXPECT_EQ(resolve_consumer("acme").kind, Kind::kAnonymous);
  policy_.identity.trust_consumer = true;
  const Subject& subject = resolve_consumer("acme");
  EXPECT_EQ(subject.kind, Kind::kConsumer);
  EXPECT_EQ(subject.key, "c:acme");
}

TEST_F(ResolverTest, TakesATrustedConsumerOfUnacceptableFormForNone) {
  policy_.identity.trust_consumer = true;
  policy_.identity.unknown_credentials = policy::UnknownCredentials::kReject;
  for (const std::string& bad : {std::string("a\nb"), std::string(1, '\0'), std::string("\x80\xff"),
                                 std::string(129, 'a'), std::string(1'000'000, 'a')}) {
    EXPECT_EQ(resolve_consumer(bad).kind, Kind::kAnonymous);
  }
  EXPECT_EQ(resolve_consumer(std::string(128, 'a')).kind, Kind::kConsumer);
}

TEST_F(ResolverTest, ReadsBearerCredentialsAndNoOtherScheme) {
  verify_tokens();
  policy_.identity.unknown_credentials = policy::UnknownCredentials::kReject;
  const std::string good = token("acme");
  for (const std::string& value : {good, "Bearer " + good, "bearer " + good, "BEARER   " + good,
                                   "Bearer\t" + good, " Bearer " + good + " "}) {
    EXPECT_EQ(resolve_bearer(value).consumer, "acme") << value;
  }
  for (const std::string& value :
       {std::string(), std::string(" "), std::string("Bearer"), std::string("Bearer "),
        std::string("Basic dXNlcjpwdw=="), "Digest " + good, "Bearerx " + good}) {
    EXPECT_EQ(resolve_bearer(value).kind, Kind::kAnonymous) << value;
  }
  for (const std::string& value : {std::string("nonsense"), "Bearer x" + good,
                                   "Bearer " + good + " more", std::string(100'000, 'a')}) {
    EXPECT_EQ(resolve_bearer(value).kind, Kind::kRejected) << value;
  }
}

TEST_F(ResolverTest, IgnoresBearerTokensWhenThePolicyVerifiesNone) {
  policy_.identity.unknown_credentials = policy::UnknownCredentials::kReject;
  EXPECT_EQ(resolve_bearer("Bearer " + token("acme")).kind, Kind::kAnonymous);
}

TEST_F(ResolverTest, TreatsUnknownCredentialsAsThePolicySays) {
  const std::string address = ip("192.0.2.1");
  Check check = from(address);
  check.api_key = "unknown";
  EXPECT_EQ(resolve(check).kind, Kind::kAnonymous);
  EXPECT_EQ(resolve(check).key, "a:" + address);
  policy_.identity.unknown_credentials = policy::UnknownCredentials::kReject;
  EXPECT_EQ(resolve(check).kind, Kind::kRejected);
  EXPECT_EQ(resolve(check).how, "api_key");
  EXPECT_EQ(resolve(from(address)).kind, Kind::kAnonymous);
}

TEST_F(ResolverTest, ARefusedTokenIsRejectedAsSuch) {
  verify_tokens();
  policy_.identity.unknown_credentials = policy::UnknownCredentials::kReject;
  EXPECT_EQ(resolve_bearer("no.such.token").kind, Kind::kRejected);
  EXPECT_EQ(resolve_bearer("no.such.token").how, "bearer");
}

TEST_F(ResolverTest, AnUnknownCredentialLeavesNoTraceInTheSubject) {
  const std::string secret = "a-very-secret-key-of-a-stranger";
  verify_tokens();
  for (auto mode : {policy::UnknownCredentials::kAnonymous, policy::UnknownCredentials::kReject}) {
    policy_.identity.unknown_credentials = mode;
    for (const Subject& subject : {resolve_key(secret), resolve_bearer(secret)}) {
      for (const std::string& text : {subject.key, subject.consumer, subject.tier}) {
        EXPECT_EQ(text.find("secret"), std::string::npos);
        EXPECT_EQ(text.find(to_hex(sha256(secret))), std::string::npos);
      }
      EXPECT_TRUE(subject.consumer.empty());
    }
  }
}

TEST_F(ResolverTest, AnApiKeyOfAbsurdLengthIsUnknown) {
  const std::string longest(kMaxApiKeyBytes, 'k');
  const std::string longer(kMaxApiKeyBytes + 1, 'k');
  policy_.consumers = {consumer("acme", "pro", {longest, longer})};
  EXPECT_EQ(resolve_key(longest).consumer, "acme");
  EXPECT_EQ(resolve_key(longer).kind, Kind::kAnonymous);
}

// Whose record counts.

TEST_F(ResolverTest, FindsApiKeysInThePolicyAndInTheDirectory) {
  policy_.consumers = {consumer("listed", "pro", {"one"})};
  directory_.put(consumer("managed", "partner", {"two"}));
  EXPECT_EQ(resolve_key("one").key, "c:listed");
  EXPECT_EQ(resolve_key("two").key, "c:managed");
  EXPECT_EQ(resolve_key("two").tier, "partner");
  EXPECT_TRUE(resolve_key("two").limits.unlimited());
}

TEST_F(ResolverTest, ThePolicysRecordHidesAManagedOneAsAWhole) {
  policy_.identity.trust_consumer = true;
  policy_.consumers = {consumer("acme", "pro", {"one"})};
  directory_.put(consumer("acme", "partner", {"two"}));
  EXPECT_EQ(resolve_consumer("acme").tier, "pro");
  EXPECT_EQ(resolve_key("one").tier, "pro");
  EXPECT_EQ(resolve_key("two").kind, Kind::kAnonymous);
}

TEST_F(ResolverTest, GivesWhatTheRecordSays) {
  policy::Consumer record = consumer("acme", "pro", {"key"});
  record.overrides = {.minute = 5'000'000, .month = 77'000};
  record.billing_day = 31;
  policy_.consumers = {record};
  const Subject& subject = resolve_key("key");
  EXPECT_EQ(subject.limits, (policy::Limits{5'000'000, 77'000}));
  EXPECT_EQ(subject.billing_day, 31);
}

TEST_F(ResolverTest, OverridesLimitEvenAnUnlimitedTier) {
  policy::Consumer record = consumer("acme", "partner", {"key"});
  record.overrides.month = 1000;
  directory_.put(record);
  EXPECT_EQ(resolve_key("key").limits, (policy::Limits{policy::Limits::kNone, 1000}));
}

TEST_F(ResolverTest, AConsumerWithoutRecordHasTheDefaultTier) {
  policy_.identity.trust_consumer = true;
  EXPECT_EQ(resolve_consumer("nobody-wrote-this-down").tier, "free");
}

TEST_F(ResolverTest, ARecordOfATierThatIsGoneHasTheDefaultTier) {
  directory_.put(consumer("acme", "platinum", {"key"}));
  EXPECT_EQ(resolve_key("key").tier, "free");
  EXPECT_EQ(resolve_key("key").limits, minute(100));
}

TEST_F(ResolverTest, WithoutAnyTierAConsumerHasAnonymousLimitsInABucketOfItsOwn) {
  policy_.identity.trust_consumer = true;
  policy_.tiers.clear();
  policy_.default_tier.clear();
  const Subject& subject = resolve_consumer("acme");
  EXPECT_EQ(subject.kind, Kind::kConsumer);
  EXPECT_EQ(subject.key, "c:acme");
  EXPECT_EQ(subject.tier, "anonymous");
  EXPECT_EQ(subject.limits, minute(30));
}

// Which tier counts.

TEST_F(ResolverTest, ATrustedTierWinsOverTheRecord) {
  policy_.consumers = {consumer("acme", "free", {"key"})};
  EXPECT_EQ(resolve_key("key", "pro").tier, "free");
  policy_.identity.trust_tier = true;
  EXPECT_EQ(resolve_key("key", "pro").tier, "pro");
  EXPECT_EQ(resolve_key("key", "pro").limits, minute(1000));
  EXPECT_EQ(resolve_key("key", "platinum").tier, "free");
  EXPECT_EQ(resolve_key("key", "").tier, "free");
  policy_.identity.trust_consumer = true;
  EXPECT_EQ(resolve_consumer("acme", "pro").tier, "pro");
}

TEST_F(ResolverTest, ATrustedTierIsNotRememberedForTheNextRequest) {
  policy_.identity.trust_tier = true;
  policy_.consumers = {consumer("acme", "free", {"key"})};
  policy_.index_all();
  resolver_.begin(policy_, 1, test::at(kNow));
  for (int i = 0; i < 2; ++i) {
    for (const char* tier : {"pro", "partner", "free"}) {
      Check check;
      check.api_key = "key";
      check.tier = tier;
      EXPECT_EQ(resolver_.resolve(check).tier, tier);
    }
  }
}

TEST_F(ResolverTest, ATrustedTierMakesNobodyOutOfAnAnonymousClient) {
  policy_.identity.trust_tier = true;
  EXPECT_EQ(resolve_key("unknown", "partner").tier, "anonymous");
  EXPECT_EQ(resolve_key("unknown", "partner").limits, minute(30));
}

TEST_F(ResolverTest, TheTierOfATokenWinsOverAllOthersWhenThePolicyHasIt) {
  verify_tokens();
  policy_.consumers = {consumer("acme", "free")};
  const std::string pro = token("acme", R"(,"tier":"pro")");
  const std::string platinum = token("acme", R"(,"tier":"platinum")");
  EXPECT_EQ(resolve_bearer(pro).tier, "pro");
  EXPECT_EQ(resolve_bearer(platinum).tier, "free");
  policy_.identity.trust_tier = true;
  EXPECT_EQ(resolve_bearer(pro, "partner").tier, "pro");
  EXPECT_EQ(resolve_bearer(platinum, "partner").tier, "partner");
  EXPECT_EQ(resolve_bearer(token("acme"), "partner").tier, "partner");
}

// Anonymous clients.

TEST_F(ResolverTest, AnAnonymousClientIsItsAddress) {
  const Subject& subject = resolve_ip("192.0.2.7");
  EXPECT_EQ(subject.key, "a:\xc0" + std::string("\0\x02\x07", 3));
  EXPECT_EQ(subject.tier, "anonymous");
  EXPECT_EQ(subject.limits, minute(30));
  EXPECT_EQ(subject.how, "anonymous");
}

TEST_F(ResolverTest, AllAddressesOfAnIpv6PrefixAreOneClient) {
  const std::string first = resolve_ip("2001:db8:1:2:3:4:5:6").key;
  EXPECT_EQ(resolve_ip("2001:db8:1:2:ffff::1").key, first);
  EXPECT_NE(resolve_ip("2001:db8:1:3::1").key, first);
  policy_.anonymous.ipv6_prefix = 48;
  EXPECT_EQ(resolve_ip("2001:db8:1:2::1").key, resolve_ip("2001:db8:1:3::1").key);
}

TEST_F(ResolverTest, AMappedIpv4AddressIsTheIpv4Address) {
  const std::string mapped("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07", 16);
  const std::string key = resolve(from(mapped)).key;
  EXPECT_EQ(key, resolve_ip("192.0.2.7").key);
  const std::string listed("\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01", 16);
  EXPECT_EQ(resolve(from(listed)).how, "allowlist");
}

TEST_F(ResolverTest, ClientsWithoutAnAddressShareABucket) {
  for (const std::string& odd : {std::string(), std::string("abc"), std::string(5, 'x'),
                                 std::string(17, '\0'), std::string("192.0.2.7")}) {
    EXPECT_EQ(resolve(from(odd)).key, "a:");
    EXPECT_EQ(resolve(from(odd)).limits, minute(30));
  }
}

TEST_F(ResolverTest, AnAllowlistedAddressHasTheLimitsOfTheAllowlist) {
  const Subject& subject = resolve_ip("10.1.2.3");
  EXPECT_EQ(subject.limits, minute(500));
  EXPECT_EQ(subject.how, "allowlist");
  EXPECT_EQ(subject.kind, Kind::kAnonymous);
  EXPECT_EQ(subject.key, "a:" + ip("10.1.2.3"));
  EXPECT_EQ(resolve_ip("11.1.2.3").limits, minute(30));
}

TEST_F(ResolverTest, AnAllowlistedNetworkKeepsItsPrefixesTogether) {
  policy_.anonymous.allowlist = {*Cidr::parse("2001:db8::/32")};
  EXPECT_EQ(resolve_ip("2001:db8::1").how, "allowlist");
  EXPECT_EQ(resolve_ip("2001:db8::1").key, resolve_ip("2001:db8::2").key);
}

TEST_F(ResolverTest, AnAddressListedOutOfItsPrefixDoesNotShareTheBucketOfTheRest) {
  policy_.anonymous.allowlist = {*Cidr::parse("2001:db8::5")};
  const std::string listed = resolve_ip("2001:db8::5").key;
  EXPECT_EQ(listed, "a:" + ip("2001:db8::5"));
  EXPECT_NE(listed, resolve_ip("2001:db8::6").key);
}

// Whatever a stranger sends.

RC_GTEST_PROP(ResolverProperty, StrangersNeverBecomeConsumers,
              (const std::string& api_key, const std::string& bearer, const std::string& text,
               const std::string& client_ip)) {
  static FullDirectory directory;
  static const policy::Policy policy = [] {
    policy::Policy result = test::basic_policy();
    result.identity.jwt.emplace().key = kSecret;
    result.consumers = {consumer("acme", "pro", {"the key of acme"})};
    result.index_all();
    return result;
  }();
  Resolver resolver(directory, {.cached_credentials = 4});
  resolver.begin(policy, 1, test::at(kNow));
  Check check = from(client_ip);
  check.api_key = api_key;
  check.bearer = bearer;
  check.consumer = text;
  check.tier = text;
  const Subject& subject = resolver.resolve(check);
  RC_ASSERT(subject.kind == Kind::kAnonymous);
  RC_ASSERT(subject.key.size() <= 18u);
}

RC_GTEST_PROP(ResolverProperty, ATrustedConsumerIsNamedExactlyOrNotAtAll,
              (const std::string& consumer_id)) {
  static FullDirectory directory;
  static const policy::Policy policy = [] {
    policy::Policy result = test::basic_policy();
    result.identity.trust_consumer = true;
    return result;
  }();
  Resolver resolver(directory);
  resolver.begin(policy, 1, test::at(kNow));
  Check check;
  check.consumer = consumer_id;
  const Subject& subject = resolver.resolve(check);
  RC_ASSERT(subject.key == "a:" || subject.key == "c:" + consumer_id);
  RC_ASSERT(subject.consumer.empty() || subject.consumer == consumer_id);
}

}  // namespace
}  // namespace quota::identity
