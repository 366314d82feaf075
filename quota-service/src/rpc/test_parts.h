#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "engine/fake_store.h"
#include "identity/fake_source.h"
#include "identity/test_policy.h"
#include "policy/live_policy.h"
#include "telemetry/decision_counters.h"

namespace quota::rpc::test {

// What a decider needs, with consumers that are looked up.
struct Parts {
  Parts() : path(testing::TempDir() + "rpc-" + std::to_string(getpid()) + ".yaml") {
    write("anonymous");
    store.start(&engine);
    source.records = {identity::test::consumer("acme", "pro", {"acme key"})};
  }
  ~Parts() { std::filesystem::remove(path); }

  void write(const std::string& unknown_credentials) {
    std::ofstream(path) << "version: 1\n"
                           "default_tier: free\n"
                           "tiers:\n"
                           "  free: {requests_per_minute: 100}\n"
                           "  pro: {requests_per_minute: 1000}\n"
                           "  monthly: {requests_per_minute: 1000, monthly_quota: 50000}\n"
                           "endpoints: [{path: /compare, cost: 2}]\n"
                           "anonymous: {requests_per_minute: 30}\n"
                           "identity: {trust: [consumer], unknown_credentials: "
                        << unknown_credentials << "}\n";
    const absl::Status status = live.reload();
    EXPECT_TRUE(status.ok()) << status.message();
  }

  std::string path;
  policy::LivePolicy live{path};
  engine::FakeStore store;
  engine::Engine engine{{}, store};
  identity::PartialDirectory directory;
  identity::test::FakeSource source{directory};
  std::shared_ptr<telemetry::DecisionCounters> counters =
      std::make_shared<telemetry::DecisionCounters>();
};

}  // namespace quota::rpc::test
