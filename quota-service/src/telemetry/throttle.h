#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace quota::telemetry {

// Lets a log line of one kind through each second, and counts those that it does not.
class Throttle {
 public:
  // Nothing: leave the line out. Otherwise how many were left out since the last one that was not,
  // with `more` that were left out elsewhere.
  std::optional<uint64_t> admit(int64_t mono_us, uint64_t more = 0) {
    const std::lock_guard lock(mutex_);
    left_out_ += more;
    if (next_us_ && mono_us < *next_us_) {
      ++left_out_;
      return std::nullopt;
    }
    next_us_ = mono_us + kPeriodUs;
    return std::exchange(left_out_, 0);
  }
  void leave_out(uint64_t lines) {
    const std::lock_guard lock(mutex_);
    left_out_ += lines;
  }

 private:
  static constexpr int64_t kPeriodUs = 1'000'000;
  std::mutex mutex_;
  std::optional<int64_t> next_us_;
  uint64_t left_out_ = 0;
};

}  // namespace quota::telemetry
