// A rate limit for very many addresses in a fixed amount of memory.
//
// Each address has one number, its theoretical arrival time (GCRA: the virtual scheduling form of
// a token bucket). Entries lie in sets of sixteen and are found by a keyed hash, so that nobody
// can choose addresses that fall into one set. An entry whose time has passed says no more than an
// absent one and is free for another address. When a set has no free entry a newcomer is denied:
// the table never admits more than the limit, and never grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "siphash.h"

namespace quota {

struct Rate {
  uint64_t count = 0;      // this many …
  uint64_t window_us = 0;  // … in this time; all of them may come at once

  // Rounded up, so that rounding never admits more.
  uint64_t interval_us() const { return (window_us + count - 1) / count; }
};

// A plain view; the memory belongs to somebody else and may be shared between processes, who must
// then take turns.
class GcraTable {
 public:
  // Zero bytes are the empty state.
  struct Entry {
    uint64_t hash;
    uint64_t arrival_us;
  };
  static constexpr size_t kWays = 16;
  static constexpr size_t kSetBytes = kWays * sizeof(Entry);

  GcraTable(Entry* entries, size_t sets, const SipKey& key)
      : entries_(entries), sets_(sets), key_(key) {}

  // 0 if a request of `address` at `now_us` is admitted, else how long until one would be.
  uint64_t admit(std::string_view address, const Rate& rate, uint64_t now_us);

 private:
  Entry* entries_;
  size_t sets_;
  SipKey key_;
};

}  // namespace quota
