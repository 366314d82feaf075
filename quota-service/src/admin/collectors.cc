#include "admin/collectors.h"

#include <utility>

#include "prometheus/metric_family.h"
#include "telemetry/histogram.h"

namespace quota::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// A family of counters or gauges that is filled one labelled value at a time.
class Family {
 public:
  Family(MetricType type, std::string name, std::string help) {
    family_.type = type;
    family_.name = std::move(name);
    family_.help = std::move(help);
  }

  Family& with(std::vector<ClientMetric::Label> labels, double value) {
    ClientMetric& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    if (family_.type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    return *this;
  }

  MetricFamily take() { return std::move(family_); }

 private:
  MetricFamily family_;
};

double number(auto count) { return static_cast<double>(count); }

}  // namespace

std::vector<MetricFamily> EngineCollector::Collect() const {
  const engine::EngineStats stats = engine_.stats();
  return {Family(MetricType::Gauge, "quota_subjects", "Subjects in memory.")
              .with({{"kind", "consumer"}}, number(stats.consumers))
              .with({{"kind", "anonymous"}}, number(stats.anonymous))
              .take(),
          Family(MetricType::Counter, "quota_subjects_evicted_total",
                 "Idle subjects that were forgotten.")
              .with({}, number(stats.evicted))
              .take(),
          Family(MetricType::Counter, "quota_subjects_refused_total",
                 "Checks denied because no more subjects fit into memory.")
              .with({}, number(stats.refused_for_capacity))
              .take(),
          Family(MetricType::Gauge, "quota_waiting_checks", "Checks that wait for the store.")
              .with({}, number(stats.waiting))
              .take(),
          Family(MetricType::Gauge, "quota_lease_tokens",
                 "Tokens of minute buckets, in cost units: leased from the store and not spent, "
                 "and spent on credit without the store knowing yet.")
              .with({{"state", "held"}}, number(stats.leased) / 1000)
              .with({{"state", "owed"}}, number(stats.owed) / 1000)
              .take()};
}

std::vector<MetricFamily> PolicyCollector::Collect() const {
  const policy::LivePolicy::Stats stats = policy_.stats();
  const policy::LivePolicy::ModeInForce mode = policy_.mode();
  return {Family(MetricType::Counter, "quota_policy_loads_total",
                 "Attempts to take up a policy, by how they went.")
              .with({{"result", "loaded"}}, number(stats.loaded))
              .with({{"result", "rejected"}}, number(stats.rejected))
              .take(),
          Family(MetricType::Gauge, "quota_policy_info", "The policy in force.")
              .with({{"hash", policy_.get()->hash}}, 1)
              .take(),
          Family(MetricType::Gauge, "quota_policy_stale",
                 "1 while the newest policy was rejected and an older one stays in force.")
              .with({}, stats.last_error.empty() ? 0 : 1)
              .take(),
          Family(MetricType::Gauge, "quota_mode_info", "The mode in force, and who says so.")
              .with({{"mode", std::string(policy::to_string(mode.mode))},
                     {"source", mode.is_override ? "override" : "policy"}},
                    1)
              .take()};
}

std::vector<MetricFamily> StoreCollector::Collect() const {
  const Sample sample = sample_();
  Family requests(MetricType::Counter, "quota_store_requests_total",
                  "Requests to the store, by what was asked and how it went.");
  for (const Requests& some : sample.requests) {
    requests.with({{"op", some.op}, {"result", some.result}}, number(some.count));
  }
  std::vector<MetricFamily> families = {
      Family(MetricType::Gauge, "quota_store_up", "1 while the store answers.")
          .with({}, sample.up ? 1 : 0)
          .take(),
      Family(MetricType::Gauge, "quota_degraded", "1 while decisions are made without the store.")
          .with({}, sample.degraded ? 1 : 0)
          .take(),
      requests.take()};
  if (!sample.durations.empty()) {
    families.push_back(telemetry::histogram(
        "quota_store_request_duration_seconds", "Time from a request to the store to its answer.",
        sample.bounds_us, sample.durations, number(sample.duration_sum_us) * 1e-6, 1e-6));
  }
  return families;
}

std::vector<MetricFamily> UsageCollector::Collect() const {
  const usage::UsageStore::Stats stats = usage_.stats();
  return {Family(MetricType::Counter, "quota_usage_flush_total",
                 "Attempts to write usage to the store, by how they went.")
              .with({{"result", "ok"}}, number(stats.written))
              .with({{"result", "error"}}, number(stats.failed))
              .take(),
          Family(MetricType::Gauge, "quota_usage_pending",
                 "Entries of usage that are not in the store yet.")
              .with({}, number(stats.pending))
              .take()};
}

std::vector<MetricFamily> BuildCollector::Collect() const {
  return {Family(MetricType::Gauge, "quota_build_info", "The version that runs.")
              .with({{"version", version_}}, 1)
              .take()};
}

}  // namespace quota::admin
