#include "gate/gatekeeper.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/fake_store.h"
#include "identity/full_directory.h"

namespace quota::gate {
namespace {

using engine::Decision;
using engine::Outcome;
using engine::Reason;

constexpr const char* kPolicy = R"(
version: 1
tiers:
  free: {requests_per_minute: 100}
  big: {unlimited: true}
endpoints:
  - {method: OPTIONS, path: "*", cost: 0}
  - {path: /compare, cost: 2.0}
  - {path: /health, cost: 0}
anonymous: {requests_per_minute: 30}
identity: {trust: [consumer], unknown_credentials: reject}
consumers:
  - {id: whale, tier: big}
overrides_by_attribute:
  - {attribute: country, equals: XX, requests_per_minute: 10}
)";

class GatekeeperTest : public testing::Test {
 protected:
  GatekeeperTest()
      : path_(testing::TempDir() + "gatekeeper-" + std::to_string(getpid()) + ".yaml") {
    write(kPolicy);
    store_.start(&engine_);
  }
  ~GatekeeperTest() override { std::filesystem::remove(path_); }

  void write(const std::string& yaml) {
    std::ofstream(path_) << yaml;
    const absl::Status status = live_.reload();
    EXPECT_TRUE(status.ok()) << status.message();
  }
  Decision decide(const identity::Check& check) {
    gatekeeper_.begin({.mono_us = 1'000'000, .unix_us = 1'795'132'800'000'000});
    Decision decision;
    const Case assessed = gatekeeper_.assess(check);
    const bool known = gatekeeper_.decide(assessed, decision, [] {
      ADD_FAILURE() << "nothing here waits";
      return nullptr;
    });
    EXPECT_TRUE(known);
    return decision;
  }
  static identity::Check get(std::string_view path, std::string_view consumer) {
    identity::Check check;
    check.method = "GET";
    check.path = path;
    check.consumer = consumer;
    return check;
  }

  std::string path_;
  policy::LivePolicy live_{path_};
  identity::FullDirectory directory_;
  engine::FakeStore store_;
  engine::Engine engine_{{}, store_};
  Gatekeeper gatekeeper_{engine_, live_, directory_};
};

TEST_F(GatekeeperTest, TheEndpointsCostIsTaken) {
  EXPECT_EQ(decide(get("/compare", "acme")).minute.remaining, 98'000);
  EXPECT_EQ(decide(get("/other", "acme")).minute.remaining, 97'000);
}

TEST_F(GatekeeperTest, HitsMultiplyTheCost) {
  identity::Check check = get("/compare", "acme");
  check.hits = 5;
  EXPECT_EQ(decide(check).minute.remaining, 90'000);
}

TEST_F(GatekeeperTest, MoreHitsThanAnyBucketHoldsAreDeniedWithoutOverflow) {
  identity::Check check = get("/compare", "acme");
  check.hits = UINT32_MAX;
  EXPECT_EQ(decide(check).reason, Reason::kCostExceedsLimit);
}

TEST_F(GatekeeperTest, WhatCostsNothingIsExemptAndLeavesNoTrace) {
  EXPECT_EQ(decide(get("/health", "acme")).outcome, Outcome::kExempt);
  identity::Check preflight = get("/compare", "acme");
  preflight.method = "OPTIONS";
  EXPECT_EQ(decide(preflight).outcome, Outcome::kExempt);
  EXPECT_EQ(engine_.stats().consumers, 0);
}

TEST_F(GatekeeperTest, AnUnlimitedTierIsNotCounted) {
  EXPECT_EQ(decide(get("/compare", "whale")).reason, Reason::kUnlimited);
}

TEST_F(GatekeeperTest, AnAttributeOfTheRequestCanReplaceTheLimit) {
  const std::string country = "XX";
  identity::Check check = get("/other", "acme");
  check.attributes.push_back({"country", country});
  EXPECT_EQ(decide(check).minute.limit, 10'000);
}

TEST_F(GatekeeperTest, UnknownCredentialsAreRejectedOrOnlyWatched) {
  identity::Check check = get("/other", "");
  check.api_key = "nobody's";
  EXPECT_EQ(decide(check).outcome, Outcome::kUnauthenticated);
  check.path = "/health";
  EXPECT_EQ(decide(check).outcome, Outcome::kExempt) << "what is free asks for no credentials";
  check.path = "/other";
  write(std::string(kPolicy) + "mode: shadow\n");
  const Decision watched = decide(check);
  EXPECT_EQ(watched.outcome, Outcome::kAllowed);
  EXPECT_TRUE(watched.shadow);
  write(std::string(kPolicy) + "mode: \"off\"\n");
  EXPECT_EQ(decide(check).reason, Reason::kOff);
}

TEST_F(GatekeeperTest, ANewPolicyIsInForceAtTheNextBatchAndKeepsWhatIsUsed) {
  for (int i = 0; i < 60; ++i) decide(get("/other", "acme"));
  std::string raised = kPolicy;
  raised.replace(raised.find("100}"), 4, "200}");
  write(raised);
  const Decision decision = decide(get("/other", "acme"));
  EXPECT_EQ(decision.minute.limit, 200'000);
  EXPECT_EQ(decision.minute.remaining, 139'000);
}

TEST_F(GatekeeperTest, AWrongPolicyChangesNothing) {
  std::ofstream(path_) << "tiers: [";
  EXPECT_FALSE(live_.reload().ok());
  EXPECT_EQ(decide(get("/other", "acme")).minute.limit, 100'000);
}

}  // namespace
}  // namespace quota::gate
