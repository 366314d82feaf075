#pragma once

#include <atomic>
#include <cstdint>

namespace quota {

// A counter that one thread writes and others may read: no locked instruction, no shared line.
class LocalCounter {
 public:
  void add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace quota
