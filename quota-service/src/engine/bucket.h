#pragma once

#include <cstdint>

namespace quota::engine {

// The minute bucket: refills continuously at limit/60 per second, starts with `limit` tokens and
// holds limit × burst. Integers only; the remainder of each refill is kept, so no sequence of calls
// gains or loses a token against one call at the end.
class Bucket {
 public:
  static constexpr int64_t kMinuteUs = 60'000'000;

  // Brings the bucket to `now_us` under `limit`. What has been used stays used when the limit
  // changes, and between the two the lower rate counts, so no change of limits makes tokens.
  // A clock that runs backwards makes none either.
  void advance(int64_t now_us, int64_t limit, int64_t burst_milli);

  void take(int64_t cost) { level_ -= cost; }

  // As it would be at `now_us`: at least as full as a new one?
  bool is_as_new(int64_t now_us) const;
  // Until `level` tokens are there; 0 if they are. kNever when the bucket does not refill.
  int64_t wait_us(int64_t level) const;
  static constexpr int64_t kNever = INT64_MAX;

  int64_t level() const { return level_; }  // negative after a limit was lowered below its use
  int64_t limit() const { return limit_; }  // -1: never used
  int64_t at_us() const { return at_us_; }
  void refill_fully(int64_t now_us);

  // A bucket saved before a restart that lasted until `now_us - age_us`.
  void restore(int64_t limit, int64_t level, int64_t now_us, int64_t age_us);

 private:
  int64_t level_ = 0;
  int64_t at_us_ = 0;  // monotonic
  int64_t limit_ = -1;
  uint32_t remainder_ = 0;  // of a token, in 1/kMinuteUs
};

}  // namespace quota::engine
