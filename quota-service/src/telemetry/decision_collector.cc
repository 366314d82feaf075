#include "telemetry/decision_collector.h"

#include <utility>

#include "telemetry/histogram.h"

namespace quota::telemetry {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

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
