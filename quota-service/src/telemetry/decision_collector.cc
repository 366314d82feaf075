#include "telemetry/decision_collector.h"

#include <limits>
#include <string>

namespace quota::telemetry {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

template <size_t N>
MetricFamily histogram(std::string name, std::string help, const std::array<int64_t, N>& bounds,
                       const std::array<uint64_t, N + 1>& counts, double sum, double unit) {
  MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = MetricType::Histogram;
  ClientMetric metric;
  uint64_t below = 0;
  for (size_t i = 0; i <= N; ++i) {
    below += counts[i];
    const double bound =
        i < N ? static_cast<double>(bounds[i]) * unit : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({.cumulative_count = below, .upper_bound = bound});
  }
  metric.histogram.sample_count = below;
  metric.histogram.sample_sum = sum;
  family.metric.push_back(std::move(metric));
  return family;
}

}  // namespace

std::vector<MetricFamily> DecisionCollector::Collect() const {
  DecisionTotals totals;
  for (const auto& thread : threads_) thread->add_to(totals);

  MetricFamily decisions;
  decisions.name = "quota_decisions_total";
  decisions.help = "Decisions made, by tier, endpoint rule, outcome and reason.";
  decisions.type = MetricType::Counter;
  for (const auto& [labels, value] : totals.decisions) {
    ClientMetric metric;
    metric.label = {{"tier", labels.tier},
                    {"endpoint", labels.endpoint},
                    {"outcome", labels.outcome},
                    {"reason", labels.reason}};
    metric.counter.value = static_cast<double>(value);
    decisions.metric.push_back(std::move(metric));
  }
  return {std::move(decisions),
          histogram("quota_decision_duration_seconds",
                    "Time a decision took: its share of its batch, or its wait for the store.",
                    kDurationBoundsNs, totals.durations,
                    static_cast<double>(totals.duration_sum_ns) * 1e-9, 1e-9),
          histogram("quota_batch_checks", "Checks that came in one message.", kBatchBounds,
                    totals.batches, static_cast<double>(totals.batch_sum), 1.0)};
}

}  // namespace quota::telemetry
