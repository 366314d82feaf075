#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin/http.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace quota::admin {

// Everything that a scrape reports. Filled before the server starts, and not changed after.
class MetricsRegistry {
 public:
  void add(std::shared_ptr<const prometheus::Collectable> collectable) {
    collectables_.push_back(std::move(collectable));
  }
  // In Prometheus' text format.
  std::string text() const;
  // The same as {"families": [{"name", "type", "help", "samples": […]}]}.
  Json json() const;

 private:
  std::vector<prometheus::MetricFamily> collect() const;

  std::vector<std::shared_ptr<const prometheus::Collectable>> collectables_;
};

}  // namespace quota::admin
