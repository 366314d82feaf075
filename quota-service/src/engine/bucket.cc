#include "engine/bucket.h"

#include <algorithm>

namespace quota::engine {
namespace {

__extension__ typedef unsigned __int128 Wide;

// Fits: a policy's limits stay below 2^40 and its burst below 2^17.
int64_t capacity_of(int64_t limit, int64_t burst_milli) { return limit * burst_milli / 1000; }

struct Refilled {
  int64_t tokens;  // never more than `most`
  uint32_t remainder;
};

Refilled refill(int64_t elapsed_us, int64_t rate, uint32_t remainder, int64_t most) {
  uint64_t product;
  if (!__builtin_mul_overflow(static_cast<uint64_t>(elapsed_us), static_cast<uint64_t>(rate),
                              &product) &&
      !__builtin_add_overflow(product, uint64_t{remainder}, &product)) {
    const uint64_t tokens = product / Bucket::kMinuteUs;
    if (tokens >= static_cast<uint64_t>(most)) return {most, 0};
    return {static_cast<int64_t>(tokens), static_cast<uint32_t>(product % Bucket::kMinuteUs)};
  }
  const Wide wide = static_cast<Wide>(elapsed_us) * static_cast<Wide>(rate) + remainder;
  const Wide tokens = wide / Bucket::kMinuteUs;
  if (tokens >= static_cast<Wide>(most)) return {most, 0};
  return {static_cast<int64_t>(tokens), static_cast<uint32_t>(wide % Bucket::kMinuteUs)};
}

}  // namespace

void Bucket::advance(int64_t now_us, int64_t limit, int64_t burst_milli) {
  if (limit_ < 0) {
    level_ = limit;
    limit_ = limit;
    at_us_ = now_us;
    remainder_ = 0;
    return;
  }
  if (now_us > at_us_) {
    const int64_t capacity = capacity_of(limit_, burst_milli);
    if (level_ < capacity) {
      const auto [tokens, remainder] =
          refill(now_us - at_us_, std::min(limit_, limit), remainder_, capacity - level_);
      level_ += tokens;
      remainder_ = remainder;
    }
    at_us_ = now_us;
  }
  if (limit != limit_) {
    level_ += limit - limit_;
    limit_ = limit;
    remainder_ = 0;
  }
  // Also after a lowered burst.
  if (const int64_t capacity = capacity_of(limit_, burst_milli); level_ > capacity) {
    level_ = capacity;
    remainder_ = 0;
  }
}

bool Bucket::is_as_new(int64_t now_us) const {
  if (limit_ < 0 || level_ >= limit_) return true;
  Bucket later = *this;
  later.advance(now_us, limit_, 1000);
  return later.level_ >= limit_;
}

int64_t Bucket::wait_us(int64_t level) const {
  if (level <= level_) return 0;
  if (limit_ <= 0) return kNever;
  const Wide missing = static_cast<Wide>(level - level_) * kMinuteUs - remainder_;
  const Wide rate = static_cast<Wide>(limit_);
  // Nearly always the product fits, and a 128-bit division costs ten times a 64-bit one.
  if (missing <= UINT64_MAX - rate) {
    return static_cast<int64_t>(
        (static_cast<uint64_t>(missing) + static_cast<uint64_t>(limit_) - 1) /
        static_cast<uint64_t>(limit_));
  }
  const Wide wait = (missing + rate - 1) / rate;
  return wait > static_cast<Wide>(kNever) ? kNever : static_cast<int64_t>(wait);
}

void Bucket::refill_fully(int64_t now_us) {
  level_ = std::max<int64_t>(limit_, 0);
  at_us_ = std::max(at_us_, now_us);
  remainder_ = 0;
}

void Bucket::restore(int64_t limit, int64_t level, int64_t now_us, int64_t age_us) {
  limit_ = limit;
  level_ = level;
  at_us_ = now_us - std::max<int64_t>(age_us, 0);
  remainder_ = 0;
}

}  // namespace quota::engine
