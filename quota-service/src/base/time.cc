#include "base/time.h"

#include <ctime>

namespace quota {
namespace {

int64_t read_us(clockid_t clock) {
  timespec ts{};
  clock_gettime(clock, &ts);
  return int64_t{ts.tv_sec} * 1'000'000 + ts.tv_nsec / 1000;
}

}  // namespace

Now read_clocks() { return {read_us(CLOCK_MONOTONIC), read_us(CLOCK_REALTIME)}; }

}  // namespace quota
