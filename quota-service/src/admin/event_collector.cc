#include "admin/event_collector.h"

#include "prometheus/metric_family.h"

namespace quota::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

MetricFamily counters(const char* name, const char* help, const char* label,
                      const EventCollector::Counts& counts) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Counter;
  for (const auto& [value, count] : counts) {
    ClientMetric& metric = family.metric.emplace_back();
    metric.label = {{label, value}};
    metric.counter.value = static_cast<double>(count);
  }
  return family;
}

}  // namespace

std::vector<MetricFamily> EventCollector::Collect() const {
  const Sample sample = sample_();
  return {counters("quota_events_total", "Decision events, by what became of them.", "result",
                   sample.events),
          counters("quota_thresholds_total", "Thresholds that were told, by kind.", "kind",
                   sample.thresholds),
          counters("quota_webhook_requests_total",
                   "Requests to the webhook that it took or did not take, and events given up.",
                   "result", sample.webhook_requests)};
}

}  // namespace quota::admin
