#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace quota::admin {

// What one consumer did in the last 60 s.
struct TopEntry {
  std::string consumer;  // empty: all anonymous clients together
  std::string tier;      // as it was last seen
  uint64_t requests = 0;
  uint64_t denied = 0;
  int64_t cost_milli = 0;
  double per_second = 0;  // requests, over the last 10 s
};

// What all of them did.
struct TopTotals {
  size_t consumers = 0;
  uint64_t requests = 0;
  uint64_t denied = 0;
  int64_t cost_milli = 0;
  double per_second = 0;
};

// Who keeps the gateways busy. Asked by the threads of the admin API.
class TopSource {
 public:
  virtual ~TopSource() = default;

  // The first `n` by requests in the last 60 s, the busiest first; consumers of the same number in
  // the order of their names.
  virtual std::vector<TopEntry> busiest(size_t n, int64_t mono_us) = 0;
  virtual TopTotals totals(int64_t mono_us) = 0;
};

}  // namespace quota::admin
