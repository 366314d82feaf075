#include "policy/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "policy/names.h"

namespace quota::policy {
namespace {

using testing::ElementsAre;
using testing::Field;

std::shared_ptr<const Policy> load(std::string_view yaml, std::string name = "policy.yaml") {
  auto policy = load_policy(yaml, std::move(name));
  if (!policy.ok()) {
    ADD_FAILURE() << policy.status();
    return std::make_shared<Policy>();
  }
  return *policy;
}

std::shared_ptr<const Policy> load_good(const std::string& name) {
  auto policy = load_policy_file(TESTDATA_DIR "/good/" + name + ".yaml");
  if (!policy.ok()) {
    ADD_FAILURE() << policy.status();
    return std::make_shared<Policy>();
  }
  return *policy;
}

TEST(Load, ReadsEveryKey) {
  const auto policy = load_good("all_keys");
  EXPECT_EQ(policy->burst_milli, 1500);
  EXPECT_EQ(policy->default_tier, "free");
  ASSERT_EQ(policy->tiers.size(), 4u);
  EXPECT_EQ(policy->tiers[0].name, "free");
  EXPECT_EQ(policy->tiers[0].limits, (Limits{100'000, 50'000'000}));
  EXPECT_EQ(policy->tiers[1].limits, (Limits{1'000'000, 1'000'000'000}));
  EXPECT_TRUE(policy->tiers[2].limits.unlimited());

  EXPECT_EQ(policy->anonymous.limits, (Limits{30'000, Limits::kNone}));
  EXPECT_EQ(policy->anonymous.ipv6_prefix, 64);
  ASSERT_EQ(policy->anonymous.allowlist.size(), 1u);
  EXPECT_TRUE(policy->anonymous.allowlist[0].contains(*IpAddress::parse("10.1.2.3")));
  EXPECT_EQ(policy->anonymous.allowlist_limits, (Limits{1'000'000, Limits::kNone}));

  EXPECT_TRUE(policy->identity.trust_consumer);
  EXPECT_TRUE(policy->identity.trust_tier);
  EXPECT_EQ(policy->identity.unknown_credentials, UnknownCredentials::kAnonymous);
  ASSERT_TRUE(policy->identity.jwt);
  EXPECT_EQ(policy->identity.jwt->algorithm, JwtAlgorithm::kHs256);
  EXPECT_EQ(policy->identity.jwt->consumer_claim, "sub");

  ASSERT_EQ(policy->consumers.size(), 1u);
  EXPECT_EQ(policy->consumers[0].id, "acme");
  EXPECT_EQ(policy->consumers[0].tier, "pro");
  EXPECT_EQ(policy->consumers[0].overrides, (LimitsPatch{5'000'000, std::nullopt}));
  EXPECT_EQ(policy->consumers[0].billing_day, 1);
  EXPECT_THAT(policy->consumers[0].api_keys, ElementsAre(sha256("test")));

  ASSERT_EQ(policy->attribute_overrides.size(), 1u);
  EXPECT_EQ(policy->attribute_overrides[0].name, "country");
  EXPECT_EQ(policy->attribute_overrides[0].equals, "XX");
  EXPECT_EQ(policy->attribute_overrides[0].patch, (LimitsPatch{10'000, std::nullopt}));
  EXPECT_EQ(policy->mode, Mode::kEnforce);
  EXPECT_EQ(policy->store_lost, StoreLost::kLocalShare);
}

TEST(Load, ReadsEndpointsInOrder) {
  const auto policy = load_good("all_keys");
  EXPECT_THAT(
      policy->endpoints.rules(),
      ElementsAre(Field(&EndpointRule::name, "OPTIONS *"), Field(&EndpointRule::name, "/identify"),
                  Field(&EndpointRule::name, "/compare"), Field(&EndpointRule::name, "/batch"),
                  Field(&EndpointRule::name, "/health")));
  EXPECT_EQ(policy->endpoints.match("OPTIONS", "/compare").cost, 0);
  EXPECT_EQ(policy->endpoints.match("POST", "/compare").cost, 2000);
  EXPECT_EQ(policy->endpoints.match("GET", "/health").cost, 0);
  EXPECT_EQ(policy->endpoints.match("GET", "/other").cost, 1000);
}

TEST(Load, TakesValuesOtherThanTheDefaults) {
  const auto policy = load_good("other_values");
  EXPECT_EQ(policy->burst_milli, 2125);
  EXPECT_EQ(policy->default_tier, "by-month");
  EXPECT_EQ(policy->endpoints.fallback().cost, 1);
  EXPECT_EQ(policy->find_tier("by-month")->limits, (Limits{Limits::kNone, 1'000'000}));
  EXPECT_TRUE(policy->anonymous.limits.unlimited());
  EXPECT_TRUE(policy->anonymous.allowlist_limits.unlimited());
  EXPECT_EQ(policy->anonymous.ipv6_prefix, 48);
  EXPECT_FALSE(policy->identity.trust_consumer);
  EXPECT_EQ(policy->identity.unknown_credentials, UnknownCredentials::kReject);
  EXPECT_EQ(policy->identity.jwt->algorithm, JwtAlgorithm::kRs256);
  EXPECT_TRUE(policy->identity.jwt->key.starts_with("-----BEGIN PUBLIC KEY-----"));
  EXPECT_EQ(policy->identity.jwt->issuer, "https://login.example");
  EXPECT_EQ(policy->identity.jwt->audience, "api");
  EXPECT_EQ(policy->identity.jwt->consumer_claim, "client_id");
  EXPECT_EQ(policy->identity.jwt->tier_claim, "plan");
  EXPECT_EQ(policy->consumers[0].tier, "");
  EXPECT_EQ(policy->consumers[0].billing_day, 31);
  EXPECT_EQ(policy->mode, Mode::kShadow);
  EXPECT_EQ(policy->store_lost, StoreLost::kDeny);
}

TEST(Load, FallsBackToSafeDefaults) {
  for (const char* name : {"minimal", "keys_without_values"}) {
    SCOPED_TRACE(name);
    const auto policy = load_good(name);
    EXPECT_EQ(policy->burst_milli, 1500);
    EXPECT_EQ(policy->default_tier, "");
    EXPECT_TRUE(policy->tiers.empty());
    EXPECT_EQ(policy->endpoints.match("GET", "/").cost, 1000);
    EXPECT_EQ(policy->anonymous.limits, (Limits{30'000, Limits::kNone}));
    EXPECT_FALSE(policy->identity.trust_consumer);
    EXPECT_FALSE(policy->identity.trust_tier);
    EXPECT_FALSE(policy->identity.jwt);
    EXPECT_EQ(policy->mode, Mode::kEnforce);
    EXPECT_EQ(policy->store_lost, StoreLost::kLocalShare);
  }
}

TEST(Load, GivesAnEndpointWithoutCostTheDefaultCostWhereverThatIsWritten) {
  const auto policy = load("endpoints: [{path: /a}]\ndefault_cost: 2.5");
  EXPECT_EQ(policy->endpoints.match("GET", "/a").cost, 2500);
}

TEST(Load, TakesFreeForTheDefaultTierWhenThereIsOne) {
  EXPECT_EQ(load("tiers: {pro: {unlimited: true}, free: {unlimited: true}}")->default_tier, "free");
}

TEST(Load, NeedsNoDefaultTierWhenNobodyWouldUseIt) {
  EXPECT_EQ(load("tiers: {pro: {unlimited: true}}\nconsumers: [{id: a, tier: pro}]")->default_tier,
            "");
}

TEST(Load, KeepsTextsThatOtherReadersOfYamlTakeForSomethingElse) {
  const auto policy = load(
      "overrides_by_attribute: [{attribute: country, equals: NO, requests_per_minute: 1}]\n"
      "tiers: {free: {unlimited: true}}\n"
      "consumers: [{id: 007}, {id: 1e3}, {id: true}]");
  EXPECT_EQ(policy->attribute_overrides[0].equals, "NO");
  EXPECT_THAT(policy->consumers,
              ElementsAre(Field(&Consumer::id, "007"), Field(&Consumer::id, "1e3"),
                          Field(&Consumer::id, "true")));
}

TEST(Load, LetsAnEndpointCostAllThatABucketHolds) {
  EXPECT_EQ(load("endpoints: [{path: /a, cost: 45}]")->endpoints.match("GET", "/a").cost, 45'000);
}

TEST(Load, TakesTheLargestNumbersWithoutOverflow) {
  const auto policy = load(
      "burst: 100\n"
      "tiers: {free: {requests_per_minute: 1000000000, monthly_quota: 1000000000000000}}");
  EXPECT_EQ(policy->tiers[0].limits, (Limits{1'000'000'000'000, 1'000'000'000'000'000'000}));
  EXPECT_EQ(policy->capacity(policy->tiers[0].limits.minute), 100'000'000'000'000);
}

TEST(Load, ToleratesAByteOrderMarkAndWindowsLineEnds) {
  EXPECT_EQ(load("\xef\xbb\xbfversion: 1\r\nmode: off\r\n")->mode, Mode::kOff);
}

TEST(Load, IndexesTiersConsumersAndKeys) {
  const auto policy = load_good("all_keys");
  ASSERT_NE(policy->find_tier("pro"), nullptr);
  EXPECT_EQ(policy->find_tier("pro")->name, "pro");
  EXPECT_EQ(policy->find_tier("gold"), nullptr);
  ASSERT_NE(policy->find_consumer("acme"), nullptr);
  EXPECT_EQ(policy->find_consumer("acm"), nullptr);
  EXPECT_EQ(policy->find_consumer_by_key(sha256("test")), policy->find_consumer("acme"));
  EXPECT_EQ(policy->find_consumer_by_key(sha256("other")), nullptr);
}

TEST(Load, NamesTheSourceAndItsHash) {
  const auto policy = load("version: 1\n", "somewhere/policy.yaml");
  EXPECT_EQ(policy->source, "somewhere/policy.yaml");
  EXPECT_EQ(policy->hash, to_hex(sha256("version: 1\n")).substr(0, 12));
}

TEST(Load, SaysWhyAFileCannotBeRead) {
  const auto policy = load_policy_file("/nonexistent/policy.yaml");
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(
      std::string(policy.status().message()),
      "/nonexistent/policy.yaml: the policy cannot be read (No such file or directory); check "
      "its name and permissions");
}

TEST(Load, LooksForARelativeKeyFileBesideThePolicy) {
  const auto policy =
      load("tiers: {free: {unlimited: true}}\nidentity: {jwt: {key_file: keys/hs256.key}}",
           TESTDATA_DIR "/policy.yaml");
  ASSERT_TRUE(policy->identity.jwt);
  EXPECT_FALSE(policy->identity.jwt->key.empty());
}

// The policy with a HS256 key file of this content.
std::string key_as_read(std::string_view content) {
  const auto directory = std::filesystem::path(testing::TempDir());
  std::ofstream(directory / "secret.key", std::ios::binary) << content;
  const auto policy =
      load("tiers: {free: {unlimited: true}}\nidentity: {jwt: {key_file: secret.key}}",
           directory / "policy.yaml");
  return policy->identity.jwt ? policy->identity.jwt->key : "";
}

TEST(JwtKey, LosesTheLineBreakBehindASecretThatIsText) {
  const std::string secret(32, 's');
  EXPECT_EQ(key_as_read(secret), secret);
  EXPECT_EQ(key_as_read(secret + "\n"), secret);
  EXPECT_EQ(key_as_read(secret + "\r\n"), secret);
}

TEST(JwtKey, KeepsEveryByteOfASecretThatIsNot) {
  const std::string secret = std::string(31, '\x80') + "\n";
  EXPECT_EQ(key_as_read(secret), secret);
}

TEST(BuiltInPolicy, IsGoodAndHoldsTheFourTiers) {
  const auto policy = load(built_in_policy_yaml(), "built-in");
  EXPECT_THAT(policy->tiers,
              ElementsAre(Field(&Tier::name, "free"), Field(&Tier::name, "pro"),
                          Field(&Tier::name, "enterprise"), Field(&Tier::name, "partner")));
  EXPECT_EQ(policy->default_tier, "free");
  EXPECT_EQ(policy->anonymous.limits, (Limits{30'000, Limits::kNone}));
  EXPECT_TRUE(policy->anonymous.allowlist.empty());
  EXPECT_TRUE(policy->consumers.empty());
  EXPECT_FALSE(policy->identity.trust_consumer);
  EXPECT_EQ(policy->endpoints.match("OPTIONS", "/anything").cost, 0);
  EXPECT_EQ(policy->endpoints.match("POST", "/compare").cost, 2000);
}

TEST(Names, OfTiersAreFitForLabelsAndHeaders) {
  EXPECT_TRUE(is_tier_name("free-2_b"));
  EXPECT_TRUE(is_tier_name(std::string(32, 'a')));
  const std::vector<std::string> wrong = {"", "Free", "a b", "a.b", "ä", std::string(33, 'a')};
  for (const std::string& bad : wrong) {
    EXPECT_FALSE(is_tier_name(bad)) << bad;
  }
}

TEST(Names, OfConsumersAreFitForKeysAndLogs) {
  EXPECT_TRUE(is_consumer_id("acme:eu/7@example.com"));
  EXPECT_TRUE(is_consumer_id(std::string(128, 'a')));
  const std::vector<std::string> wrong = {
      "", "a b", "a\tb", "a\n", "\x7f", "caf\xc3\xa9", std::string(129, 'a')};
  for (const std::string& bad : wrong) {
    EXPECT_FALSE(is_consumer_id(bad)) << bad;
  }
}

TEST(Words, AreTheOnesOfThePolicyFile) {
  EXPECT_EQ(to_string(Mode::kEnforce), "enforce");
  EXPECT_EQ(to_string(Mode::kShadow), "shadow");
  EXPECT_EQ(to_string(Mode::kOff), "off");
  EXPECT_EQ(to_string(StoreLost::kLocalShare), "local_share");
  EXPECT_EQ(to_string(StoreLost::kAllow), "allow");
  EXPECT_EQ(to_string(StoreLost::kDeny), "deny");
}

}  // namespace
}  // namespace quota::policy
