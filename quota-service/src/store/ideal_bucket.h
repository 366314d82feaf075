#pragma once

#include <algorithm>
#include <cstdint>

namespace quota::store {

// The bucket that all quotads together must not exceed: exact fractions, one place, no leases.
class IdealBucket {
 public:
  // Under this limit from now on; between two limits the lower rate has counted.
  void see(int64_t us, int64_t limit, int64_t capacity) {
    if (limit_ < 0) {
      limit_ = limit;
      level_ = Exact{limit} * kMinute;
      us_ = us;
    }
    advance(us, std::min(limit, limit_));
    level_ += Exact{limit - limit_} * kMinute;
    limit_ = limit;
    capacity_ = capacity;
    level_ = std::min(level_, Exact{capacity} * kMinute);
  }
  void take(int64_t us, int64_t amount) {
    advance(us, limit_);
    level_ -= Exact{amount} * kMinute;
  }
  // As a new one, if it is not fuller.
  void reset(int64_t us) {
    advance(us, limit_);
    level_ = std::max(level_, Exact{limit_} * kMinute);
  }
  bool holds(int64_t amount) const { return level_ >= Exact{amount} * kMinute; }
  bool exists() const { return limit_ >= 0; }

 private:
  __extension__ typedef __int128 Exact;  // milli-tokens × microseconds of a minute
  static constexpr int64_t kMinute = 60'000'000;

  void advance(int64_t us, int64_t limit) {
    level_ = std::min(level_ + Exact{us - us_} * limit, Exact{capacity_} * kMinute);
    us_ = us;
  }

  Exact level_ = 0;
  int64_t us_ = 0;
  int64_t limit_ = -1;
  int64_t capacity_ = INT64_MAX;
};

}  // namespace quota::store
