// How long to wait before the next attempt to reach the sidecar.
#pragma once

#include <algorithm>
#include <cstdint>

namespace quota {

class BackOff {
 public:
  static constexpr uint32_t kFirstMs = 50;
  static constexpr uint32_t kLongestMs = 2000;

  // Doubles from call to call. `random` takes up to a quarter off, so that the workers of many
  // gateways do not knock at one sidecar in step.
  uint32_t next_ms(uint32_t random) {
    const uint32_t delay = next_;
    next_ = std::min(next_ * 2, kLongestMs);
    return delay - random % (delay / 4);
  }

  void reset() { next_ = kFirstMs; }

 private:
  uint32_t next_ = kFirstMs;
};

}  // namespace quota
