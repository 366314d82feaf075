#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/collectable.h"

namespace quota::admin {

// quota_events_total{result}, quota_thresholds_total{kind}, quota_webhook_requests_total{result}
class EventCollector final : public prometheus::Collectable {
 public:
  using Counts = std::vector<std::pair<std::string, uint64_t>>;
  struct Sample {
    Counts events;
    Counts thresholds;
    Counts webhook_requests;
  };

  explicit EventCollector(std::function<Sample()> sample) : sample_(std::move(sample)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<Sample()> sample_;
};

}  // namespace quota::admin
