#include "telemetry/decision_counters.h"

#include <algorithm>

namespace quota::telemetry {
namespace {

template <size_t N>
size_t bucket_of(const std::array<int64_t, N>& bounds, uint64_t value) {
  const auto it = std::lower_bound(bounds.begin(), bounds.end(), static_cast<int64_t>(value));
  return static_cast<size_t>(it - bounds.begin());
}

}  // namespace

void DecisionCounters::use(std::shared_ptr<const policy::Policy> policy) {
  auto table = std::make_unique<Table>();
  table->rows = std::vector<std::atomic<Row*>>((policy->tiers.size() + 1) *
                                               (policy->endpoints.rules().size() + 1));
  table->policy = std::move(policy);
  const std::lock_guard lock(mutex_);
  if (table_ != nullptr) fold(*table_, folded_);
  table_ = std::move(table);
}

void DecisionCounters::count(const policy::Tier* tier, const policy::EndpointRule& endpoint,
                             engine::Outcome outcome, engine::Reason reason) {
  const policy::Policy& policy = *table_->policy;
  // No tier comes last, as the fallback does among the rules.
  const size_t tier_at = tier == nullptr ? policy.tiers.size() : tier->index;
  std::atomic<Row*>& place =
      table_->rows[tier_at * (policy.endpoints.rules().size() + 1) + endpoint.index];
  Row* row = place.load(std::memory_order_relaxed);
  if (row == nullptr) {
    table_->owned.push_back(std::make_unique<Row>());
    row = table_->owned.back().get();
    place.store(row, std::memory_order_release);
  }
  (*row)[static_cast<size_t>(outcome) * engine::kReasons + static_cast<size_t>(reason)].add(1);
}

void DecisionCounters::batch(uint64_t checks, uint64_t decided, uint64_t duration_ns) {
  const uint64_t each = duration_ns / std::max<uint64_t>(checks, 1);
  durations_.counts[bucket_of(kDurationBoundsNs, each)].add(decided);
  durations_.sum.add(each * decided);
  batches_.counts[bucket_of(kBatchBounds, checks)].add(1);
  batches_.sum.add(checks);
}

void DecisionCounters::count_late(DecisionLabels labels, uint64_t waited_ns) {
  const std::lock_guard lock(mutex_);
  ++folded_[std::move(labels)];
  ++late_durations_[bucket_of(kDurationBoundsNs, waited_ns)];
  late_duration_sum_ns_ += waited_ns;
}

void DecisionCounters::fold(const Table& table, std::map<DecisionLabels, uint64_t>& into) const {
  const policy::Policy& policy = *table.policy;
  const auto& rules = policy.endpoints.rules();
  for (size_t at = 0; at < table.rows.size(); ++at) {
    const Row* row = table.rows[at].load(std::memory_order_acquire);
    if (row == nullptr) continue;
    const size_t tier = at / (rules.size() + 1);
    const size_t endpoint = at % (rules.size() + 1);
    for (size_t cell = 0; cell < row->size(); ++cell) {
      const uint64_t value = (*row)[cell].value();
      if (value == 0) continue;
      into[{
          .tier = tier < policy.tiers.size() ? policy.tiers[tier].name : "anonymous",
          .endpoint =
              endpoint < rules.size() ? rules[endpoint].name : policy.endpoints.fallback().name,
          .outcome = std::string(to_string(static_cast<engine::Outcome>(cell / engine::kReasons))),
          .reason =
              std::string(to_string(static_cast<engine::Reason>(cell % engine::kReasons)))}] +=
          value;
    }
  }
}

void DecisionCounters::add_to(DecisionTotals& totals) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [labels, value] : folded_) totals.decisions[labels] += value;
  if (table_ != nullptr) fold(*table_, totals.decisions);
  for (size_t i = 0; i < totals.durations.size(); ++i) {
    totals.durations[i] += durations_.counts[i].value() + late_durations_[i];
  }
  totals.duration_sum_ns += durations_.sum.value() + late_duration_sum_ns_;
  for (size_t i = 0; i < totals.batches.size(); ++i) {
    totals.batches[i] += batches_.counts[i].value();
  }
  totals.batch_sum += batches_.sum.value();
}

}  // namespace quota::telemetry
