#pragma once

#include <memory>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "telemetry/decision_counters.h"

namespace quota::telemetry {

// Sums the counters of all threads when somebody scrapes.
class DecisionCollector final : public prometheus::Collectable {
 public:
  explicit DecisionCollector(std::vector<std::shared_ptr<const DecisionCounters>> threads)
      : threads_(std::move(threads)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::vector<std::shared_ptr<const DecisionCounters>> threads_;
};

}  // namespace quota::telemetry
