#pragma once

#include <cstdint>

namespace quota {

// The two clocks a decision needs, read once per batch and passed down: buckets refill by the
// monotonic one, so that a corrected wall clock makes no tokens; months end by the wall clock.
struct Now {
  int64_t mono_us = 0;
  int64_t unix_us = 0;
};

Now read_clocks();

}  // namespace quota
