#pragma once

#include <ctime>

#include <cstdint>

namespace quota {

// nginx's own clock stands still during a turn of its event loop and counts milliseconds; a
// verdict takes some ten microseconds. Comparable between the processes of one machine.
inline uint64_t monotonic_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace quota
