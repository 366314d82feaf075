#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "base/local_counter.h"
#include "engine/decision.h"
#include "policy/policy.h"

namespace quota::telemetry {

struct DecisionLabels {
  std::string tier, endpoint, outcome, reason;
  friend bool operator<(const DecisionLabels& a, const DecisionLabels& b) {
    return std::tie(a.tier, a.endpoint, a.outcome, a.reason) <
           std::tie(b.tier, b.endpoint, b.outcome, b.reason);
  }
};

template <size_t N>
struct HistogramCells {
  std::array<LocalCounter, N + 1> counts;  // the last one: above every bound
  LocalCounter sum;                        // in the unit of the bounds
};

inline constexpr std::array<int64_t, 14> kDurationBoundsNs = {
    100,    250,     500,     1'000,     2'500,     5'000,     10'000,
    50'000, 100'000, 500'000, 1'000'000, 2'000'000, 5'000'000, 25'000'000};
inline constexpr std::array<int64_t, 12> kBatchBounds = {1,  2,   4,   8,   16,   32,
                                                         64, 128, 256, 512, 1024, 4096};

struct DecisionTotals {
  std::map<DecisionLabels, uint64_t> decisions;
  std::array<uint64_t, kDurationBoundsNs.size() + 1> durations{};
  uint64_t duration_sum_ns = 0;
  std::array<uint64_t, kBatchBounds.size() + 1> batches{};
  uint64_t batch_sum = 0;
};

// What one thread has decided, by tier and endpoint of the policy in force. Its size is bounded by
// the policy: nothing that a stranger sends becomes a label.
class DecisionCounters {
 public:
  // Called by the owning thread when it takes up a policy.
  void use(std::shared_ptr<const policy::Policy> policy);
  void count(const policy::Tier* tier, const policy::EndpointRule& endpoint,
             engine::Outcome outcome, engine::Reason reason);
  // `checks` came together and took `duration_ns`. Of those that were not `decided` by then,
  // count_late() will tell how long it took.
  void batch(uint64_t checks, uint64_t decided, uint64_t duration_ns);

  // Decided after waiting for the store, on whatever thread.
  void count_late(DecisionLabels labels, uint64_t waited_ns);

  void add_to(DecisionTotals& totals) const;

 private:
  static constexpr size_t kOutcomes = 5;
  using Row = std::array<LocalCounter, kOutcomes * engine::kReasons>;
  struct Table {
    std::shared_ptr<const policy::Policy> policy;
    std::vector<std::atomic<Row*>> rows;  // by tier and endpoint; made when first needed
    std::vector<std::unique_ptr<Row>> owned;
  };
  void fold(const Table& table, std::map<DecisionLabels, uint64_t>& into) const;

  std::unique_ptr<Table> table_;
  HistogramCells<kDurationBoundsNs.size()> durations_;
  HistogramCells<kBatchBounds.size()> batches_;

  mutable std::mutex mutex_;                   // guards the change of table_ and what follows
  std::map<DecisionLabels, uint64_t> folded_;  // from earlier policies, and late ones
  std::array<uint64_t, kDurationBoundsNs.size() + 1> late_durations_{};
  uint64_t late_duration_sum_ns_ = 0;
};

}  // namespace quota::telemetry
