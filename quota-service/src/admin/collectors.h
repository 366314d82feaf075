#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "policy/live_policy.h"
#include "prometheus/collectable.h"
#include "usage/usage_store.h"

// What the parts know about themselves, as metrics. Each reads its part anew at every scrape.
namespace quota::admin {

// quota_subjects{kind}, what became of those that did not fit, and quota_lease_tokens{state}.
class EngineCollector final : public prometheus::Collectable {
 public:
  explicit EngineCollector(const engine::Engine& engine) : engine_(engine) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const engine::Engine& engine_;
};

// quota_policy_loads_total{result}, quota_policy_info{hash}, quota_mode_info{mode,source}
class PolicyCollector final : public prometheus::Collectable {
 public:
  explicit PolicyCollector(const policy::LivePolicy& policy) : policy_(policy) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const policy::LivePolicy& policy_;
};

// quota_store_up, quota_degraded, quota_store_requests_total{op,result},
// quota_store_request_duration_seconds
class StoreCollector final : public prometheus::Collectable {
 public:
  struct Requests {
    std::string op;
    std::string result;
    uint64_t count = 0;
  };
  struct Sample {
    bool up = true;
    bool degraded = false;  // decisions are made without it
    std::vector<Requests> requests;
    // How many requests took up to each bound, and how many longer than all of them.
    std::vector<int64_t> bounds_us = {};
    std::vector<uint64_t> durations = {};
    uint64_t duration_sum_us = 0;
  };

  explicit StoreCollector(std::function<Sample()> sample) : sample_(std::move(sample)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<Sample()> sample_;
};

// quota_usage_flush_total{result}, quota_usage_pending
class UsageCollector final : public prometheus::Collectable {
 public:
  explicit UsageCollector(const usage::UsageStore& usage) : usage_(usage) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const usage::UsageStore& usage_;
};

// quota_build_info{version}
class BuildCollector final : public prometheus::Collectable {
 public:
  explicit BuildCollector(std::string version) : version_(std::move(version)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string version_;
};

}  // namespace quota::admin
