#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace quota::load {

// Counts of times in nanoseconds, log-linear: every power of two is divided into 128 parts, so what
// is read from it is at most 1 % too large, and never too small.
class Histogram {
 public:
  void record(uint64_t value) {
    ++counts_[index_of(value)];
    ++count_;
    max_ = std::max(max_, value);
  }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }

  // The smallest value that at least this part of all recorded values does not pass; 0 if there
  // are none.
  uint64_t quantile(double part) const {
    const auto wanted = static_cast<uint64_t>(std::ceil(part * static_cast<double>(count_)));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= std::max<uint64_t>(wanted, 1)) {
        return std::min(last_of(i), max_);
      }
    }
    return 0;
  }

 private:
  static constexpr int kBits = 7;
  static constexpr uint64_t kParts = uint64_t{1} << kBits;

  // Values below kParts have a bucket each; above, the highest kBits + 1 bits say which.
  static constexpr size_t index_of(uint64_t value) {
    if (value < kParts) {
      return value;
    }
    const int shift = std::bit_width(value) - 1 - kBits;
    return static_cast<uint64_t>(shift) * kParts + (value >> shift);
  }

  static constexpr uint64_t last_of(size_t index) {
    if (index < 2 * kParts) {
      return index;
    }
    const uint64_t shift = index / kParts - 1;
    const uint64_t top = kParts + index % kParts;
    return (top << shift) + ((uint64_t{1} << shift) - 1);
  }

  std::array<uint64_t, kParts*(64 - kBits + 1)> counts_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace quota::load
