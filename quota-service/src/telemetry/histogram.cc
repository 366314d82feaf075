#include "telemetry/histogram.h"

#include <limits>
#include <utility>

namespace quota::telemetry {

prometheus::MetricFamily histogram(std::string name, std::string help,
                                   std::span<const int64_t> bounds,
                                   std::span<const uint64_t> counts, double sum, double unit) {
  prometheus::MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = prometheus::MetricType::Histogram;
  prometheus::ClientMetric metric;
  uint64_t below = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    below += counts[i];
    const double bound = i < bounds.size() ? static_cast<double>(bounds[i]) * unit
                                           : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({.cumulative_count = below, .upper_bound = bound});
  }
  metric.histogram.sample_count = below;
  metric.histogram.sample_sum = sum;
  family.metric.push_back(std::move(metric));
  return family;
}

}  // namespace quota::telemetry
