#include "metrics.h"

#include <algorithm>
#include <string_view>

namespace quota {
namespace {

void append_seconds(std::string* out, uint64_t us) {
  std::string fraction = std::to_string(us % 1'000'000);
  fraction.insert(0, 6 - fraction.size(), '0');
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  *out += std::to_string(us / 1'000'000);
  if (!fraction.empty()) out->append(".").append(fraction);
}

void append_head(std::string* out, std::string_view name, std::string_view help,
                 std::string_view type) {
  out->append("# HELP ").append(name).append(" ").append(help).append("\n");
  out->append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

void append_sample(std::string* out, std::string_view name, uint64_t value) {
  out->append(name).append(" ").append(std::to_string(value)).append("\n");
}

}  // namespace

void WorkerMetrics::observe_wait(uint64_t us) {
  const auto bucket = std::lower_bound(kWaitBucketsUs.begin(), kWaitBucketsUs.end(), us);
  add(&waits_[bucket - kWaitBucketsUs.begin()], 1);
  add(&wait_sum_us_, us);
}

void WorkerMetrics::set_sidecar_up(bool up) {
  std::atomic_ref(sidecar_down_).store(up ? 0 : 1, std::memory_order_relaxed);
}

uint64_t MetricsTable::read(const uint64_t& counter) {
  // C++20's atomic_ref does not take a const object, even to read it.
  return std::atomic_ref(const_cast<uint64_t&>(counter)).load(std::memory_order_relaxed);
}

std::string MetricsTable::render(size_t running_workers) const {
  std::array<uint64_t, kOutcomeNames.size()> outcomes{};
  std::array<uint64_t, kWaitBucketsUs.size() + 1> waits{};
  uint64_t wait_sum_us = 0;
  uint64_t timeouts = 0;
  bool up = true;
  for (size_t i = 0; i < kWorkers; ++i) {
    const WorkerMetrics& worker = workers_[i];
    for (size_t j = 0; j < outcomes.size(); ++j) outcomes[j] += read(worker.outcomes_[j]);
    for (size_t j = 0; j < waits.size(); ++j) waits[j] += read(worker.waits_[j]);
    wait_sum_us += read(worker.wait_sum_us_);
    timeouts += read(worker.timeouts_);
    if (i < running_workers && read(worker.sidecar_down_) != 0) up = false;
  }

  std::string out;
  append_head(&out, "quota_gateway_requests_total", "Requests by what became of them.", "counter");
  for (size_t i = 0; i < outcomes.size(); ++i) {
    out.append("quota_gateway_requests_total{outcome=\"").append(kOutcomeNames[i]).append("\"} ");
    out.append(std::to_string(outcomes[i])).append("\n");
  }

  append_head(&out, "quota_gateway_wait_seconds", "Time requests waited for their verdict.",
              "histogram");
  uint64_t count = 0;
  for (size_t i = 0; i < waits.size(); ++i) {
    count += waits[i];
    out.append("quota_gateway_wait_seconds_bucket{le=\"");
    if (i < kWaitBucketsUs.size()) {
      append_seconds(&out, kWaitBucketsUs[i]);
    } else {
      out.append("+Inf");
    }
    out.append("\"} ").append(std::to_string(count)).append("\n");
  }
  out.append("quota_gateway_wait_seconds_sum ");
  append_seconds(&out, wait_sum_us);
  out.append("\n");
  append_sample(&out, "quota_gateway_wait_seconds_count", count);

  append_head(&out, "quota_gateway_sidecar_up",
              "1 if no running worker has lost the sidecar, else 0.", "gauge");
  append_sample(&out, "quota_gateway_sidecar_up", up ? 1 : 0);

  append_head(&out, "quota_gateway_timeouts_total", "Checks without a verdict in quota_timeout.",
              "counter");
  append_sample(&out, "quota_gateway_timeouts_total", timeouts);
  return out;
}

}  // namespace quota
