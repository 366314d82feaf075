#include "admin/busiest.h"

#include <algorithm>
#include <utility>

namespace quota::admin {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kWindowUs = 60 * kSecondUs;
constexpr int kRateSeconds = 10;
constexpr int64_t kRateUs = kRateSeconds * kSecondUs;

bool is_busier(const TopEntry& a, const TopEntry& b) {
  return a.requests != b.requests ? a.requests > b.requests : a.consumer < b.consumer;
}

}  // namespace

void Busiest::add(std::string_view consumer, std::string_view tier, uint64_t requests,
                  uint64_t denied, int64_t cost_milli, int64_t mono_us) {
  const std::lock_guard lock(mutex_);
  auto found = meters_.find(consumer);
  if (found == meters_.end()) {
    if (meters_.size() >= most_) make_room(mono_us);
    found = meters_.emplace(std::string(consumer), Meter{}).first;
  }
  Meter& meter = found->second;
  meter.tier = tier;
  std::erase_if(meter.slots, [&](const Slot& slot) { return slot.mono_us <= mono_us - kWindowUs; });
  if (meter.slots.empty() || meter.slots.back().mono_us / kSecondUs != mono_us / kSecondUs) {
    meter.slots.push_back({.mono_us = mono_us});
  }
  Slot& slot = meter.slots.back();
  slot.requests += requests;
  slot.denied += denied;
  slot.cost_milli += cost_milli;
}

TopEntry Busiest::sum(std::string_view consumer, const Meter& meter, int64_t mono_us) {
  TopEntry entry;
  entry.consumer = consumer;
  entry.tier = meter.tier;
  uint64_t recent = 0;
  for (const Slot& slot : meter.slots) {
    if (slot.mono_us <= mono_us - kWindowUs) continue;
    entry.requests += slot.requests;
    entry.denied += slot.denied;
    entry.cost_milli += slot.cost_milli;
    if (slot.mono_us > mono_us - kRateUs) recent += slot.requests;
  }
  entry.per_second = static_cast<double>(recent) / kRateSeconds;
  return entry;
}

// Many at once: looking for the least busy one is a walk through all.
void Busiest::make_room(int64_t mono_us) {
  std::vector<TopEntry> all;
  all.reserve(meters_.size());
  for (const auto& [consumer, meter] : meters_) all.push_back(sum(consumer, meter, mono_us));
  const auto kept = static_cast<std::ptrdiff_t>(all.size() - all.size() / 8 - 1);
  std::ranges::nth_element(all, all.begin() + kept, is_busier);
  for (auto each = all.begin() + kept; each != all.end(); ++each) meters_.erase(each->consumer);
}

std::vector<TopEntry> Busiest::busiest(size_t n, int64_t mono_us) {
  std::vector<TopEntry> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [consumer, meter] : meters_) {
      TopEntry entry = sum(consumer, meter, mono_us);
      if (entry.requests > 0) all.push_back(std::move(entry));
    }
  }
  const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(n, all.size()));
  std::ranges::partial_sort(all, end, is_busier);
  all.erase(end, all.end());
  return all;
}

TopTotals Busiest::totals(int64_t mono_us) {
  TopTotals totals;
  const std::lock_guard lock(mutex_);
  for (const auto& [consumer, meter] : meters_) {
    const TopEntry entry = sum(consumer, meter, mono_us);
    if (entry.requests == 0) continue;
    ++totals.consumers;
    totals.requests += entry.requests;
    totals.denied += entry.denied;
    totals.cost_milli += entry.cost_milli;
    totals.per_second += entry.per_second;
  }
  return totals;
}

}  // namespace quota::admin
