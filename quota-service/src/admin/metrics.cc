#include "admin/metrics.h"

#include <cmath>
#include <iterator>
#include <utility>

#include "prometheus/text_serializer.h"

namespace quota::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::Counter:
      return "counter";
    case MetricType::Gauge:
      return "gauge";
    case MetricType::Histogram:
      return "histogram";
    default:
      return "untyped";
  }
}

// JSON knows no infinity: null is the bound of what is above all others.
Json histogram_json(const ClientMetric::Histogram& histogram) {
  Json buckets = Json::array();
  for (const ClientMetric::Bucket& bucket : histogram.bucket) {
    const bool is_last = std::isinf(bucket.upper_bound);
    buckets.push_back(
        {{"le", is_last ? Json() : Json(bucket.upper_bound)}, {"count", bucket.cumulative_count}});
  }
  return {{"count", histogram.sample_count},
          {"sum", histogram.sample_sum},
          {"buckets", std::move(buckets)}};
}

Json sample_json(MetricType type, const ClientMetric& metric) {
  Json labels = Json::object();
  for (const ClientMetric::Label& label : metric.label) labels[label.name] = label.value;
  Json sample = {{"labels", std::move(labels)}};
  if (type == MetricType::Histogram) {
    sample.update(histogram_json(metric.histogram));
  } else {
    sample["value"] = type == MetricType::Counter ? metric.counter.value : metric.gauge.value;
  }
  return sample;
}

}  // namespace

std::vector<MetricFamily> MetricsRegistry::collect() const {
  std::vector<MetricFamily> all;
  for (const auto& collectable : collectables_) {
    std::vector<MetricFamily> some = collectable->Collect();
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return all;
}

std::string MetricsRegistry::text() const {
  return prometheus::TextSerializer().Serialize(collect());
}

Json MetricsRegistry::json() const {
  Json families = Json::array();
  for (const MetricFamily& family : collect()) {
    Json samples = Json::array();
    for (const ClientMetric& metric : family.metric) {
      samples.push_back(sample_json(family.type, metric));
    }
    families.push_back({{"name", family.name},
                        {"type", type_name(family.type)},
                        {"help", family.help},
                        {"samples", std::move(samples)}});
  }
  return {{"families", std::move(families)}};
}

}  // namespace quota::admin
