#include "gcra_table.h"

#include <algorithm>

namespace quota {

uint64_t GcraTable::admit(std::string_view address, const Rate& rate, uint64_t now_us) {
  const uint64_t hash = siphash(key_, address);
  Entry* const set = entries_ + hash % sets_ * kWays;

  Entry* free = nullptr;
  Entry* entry = nullptr;
  uint64_t first_to_pass = UINT64_MAX;
  for (size_t i = 0; i < kWays && entry == nullptr; ++i) {
    if (set[i].arrival_us <= now_us) {
      if (free == nullptr) free = &set[i];
    } else if (set[i].hash == hash) {
      entry = &set[i];
    } else {
      first_to_pass = std::min(first_to_pass, set[i].arrival_us);
    }
  }

  if (entry == nullptr) {
    if (free == nullptr) return first_to_pass - now_us;
    *free = {hash, now_us};
    entry = free;
  }
  const uint64_t interval = rate.interval_us();
  const uint64_t next = entry->arrival_us + interval;
  const uint64_t latest = now_us + interval * rate.count;
  if (next > latest) return next - latest;
  entry->arrival_us = next;
  return 0;
}

}  // namespace quota
