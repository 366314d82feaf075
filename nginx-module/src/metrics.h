// What nginx itself counts. The counters of all workers lie in shared memory, each worker's in
// cache lines of its own, and are summed when somebody asks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "outcome.h"

namespace quota {

// Upper bounds of the buckets of quota_gateway_wait_seconds; the last bucket has none.
inline constexpr std::array<uint64_t, 11> kWaitBucketsUs{
    50, 100, 200, 500, 1'000, 2'000, 5'000, 10'000, 20'000, 50'000, 100'000,
};

// A worker's counters. Zero bytes are a valid state. During a reload an old and a new worker may
// share one, which is why they are atomic.
class alignas(64) WorkerMetrics {
 public:
  void count(Outcome outcome) { add(&outcomes_[static_cast<size_t>(outcome)], 1); }
  void count_timeout() { add(&timeouts_, 1); }
  void observe_wait(uint64_t us);
  void set_sidecar_up(bool up);

 private:
  friend class MetricsTable;

  static void add(uint64_t* counter, uint64_t amount) {
    std::atomic_ref(*counter).fetch_add(amount, std::memory_order_relaxed);
  }

  uint64_t outcomes_[kOutcomeNames.size()];
  uint64_t timeouts_;
  uint64_t waits_[kWaitBucketsUs.size() + 1];
  uint64_t wait_sum_us_;
  uint64_t sidecar_down_;
};

// All workers' counters. Lies in shared memory; zero bytes are a valid state.
class MetricsTable {
 public:
  static constexpr size_t kWorkers = 64;  // more of them share

  WorkerMetrics* worker(size_t number) { return &workers_[number % kWorkers]; }

  // Prometheus text. `running_workers` tells whose word on the sidecar still counts after a
  // reload. Throws std::bad_alloc.
  std::string render(size_t running_workers) const;

 private:
  static uint64_t read(const uint64_t& counter);

  WorkerMetrics workers_[kWorkers];
};

}  // namespace quota
