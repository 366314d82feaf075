#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "prometheus/metric_family.h"

namespace quota::telemetry {

// A histogram without labels. `counts` holds how many lay in each bucket, the last one above all
// bounds; `unit` turns a bound into what the metric is measured in, as `sum` is already.
prometheus::MetricFamily histogram(std::string name, std::string help,
                                   std::span<const int64_t> bounds,
                                   std::span<const uint64_t> counts, double sum, double unit);

}  // namespace quota::telemetry
