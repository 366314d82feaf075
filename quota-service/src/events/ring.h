#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace quota::events {

// A bounded queue from one thread to another one. Neither ever waits: who finds it full goes on.
template <typename T>
class Ring {
 public:
  // `size` is a power of two. The memory is not touched before it is used.
  explicit Ring(size_t size) : mask_(size - 1), slots_(std::make_unique_for_overwrite<T[]>(size)) {}

  // By the writer: room for one more, or null. It is seen by the reader after publish().
  T* claim() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_seen_ > mask_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head - tail_seen_ > mask_) return nullptr;
    }
    return &slots_[head & mask_];
  }
  void publish() {
    head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  // By the reader: shows all that is there to `visit`, in order.
  template <typename Visit>
  void drain(Visit visit) {
    const size_t head = head_.load(std::memory_order_acquire);
    size_t tail = tail_.load(std::memory_order_relaxed);
    for (; tail != head; ++tail) {
      visit(static_cast<const T&>(slots_[tail & mask_]));
      tail_.store(tail + 1, std::memory_order_release);
    }
  }

 private:
  const size_t mask_;
  const std::unique_ptr<T[]> slots_;
  alignas(64) std::atomic<size_t> head_{0};
  size_t tail_seen_ = 0;  // the writer's
  alignas(64) std::atomic<size_t> tail_{0};
};

}  // namespace quota::events
