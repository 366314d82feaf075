#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "admin/top_source.h"
#include "base/string_map.h"

namespace quota::admin {

// Counts of the last minute per consumer, in slots of a second. Bounded: when there are too many
// consumers, an eighth of them is forgotten, those who asked least.
class Busiest final : public TopSource {
 public:
  static constexpr size_t kMostConsumers = 10'000;

  explicit Busiest(size_t most_consumers = kMostConsumers) : most_(most_consumers) {}

  // What a consumer did since the last time, which is a second ago or longer; from one thread.
  void add(std::string_view consumer, std::string_view tier, uint64_t requests, uint64_t denied,
           int64_t cost_milli, int64_t mono_us);

  std::vector<TopEntry> busiest(size_t n, int64_t mono_us) override;
  TopTotals totals(int64_t mono_us) override;

 private:
  struct Slot {
    int64_t mono_us = 0;
    uint64_t requests = 0;
    uint64_t denied = 0;
    int64_t cost_milli = 0;
  };
  struct Meter {
    std::string tier;
    std::vector<Slot> slots;  // the oldest first; of the last minute, and maybe some older ones
  };

  static TopEntry sum(std::string_view consumer, const Meter& meter, int64_t mono_us);
  void make_room(int64_t mono_us);

  const size_t most_;
  std::mutex mutex_;
  StringMap<Meter> meters_;
};

}  // namespace quota::admin
