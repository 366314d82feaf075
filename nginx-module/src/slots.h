// The table of checks in flight. A check is known to the sidecar by an id that says where its
// owner stands in the table and which tenant of that place it is, so that a verdict which comes
// after its request has gone finds nobody instead of the next tenant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace quota {

template <typename Owner>
class Slots {
 public:
  // Throws std::bad_alloc, and then has changed nothing. The id is never 0.
  uint64_t acquire(Owner* owner) {
    if (first_free_ == kNone) {
      slots_.push_back({nullptr, 1, kNone});
      first_free_ = static_cast<uint32_t>(slots_.size() - 1);
    }
    const uint32_t index = first_free_;
    Slot& slot = slots_[index];
    first_free_ = slot.next_free;
    slot.owner = owner;
    ++in_use_;
    return (uint64_t{slot.generation} << 32) | index;
  }

  // nullptr when the id was never given out or has been released.
  Owner* find(uint64_t id) const {
    const auto index = static_cast<uint32_t>(id);
    if (index >= slots_.size()) return nullptr;
    const Slot& slot = slots_[index];
    return slot.generation == id >> 32 ? slot.owner : nullptr;
  }

  // `id` must be in use.
  void release(uint64_t id) {
    const auto index = static_cast<uint32_t>(id);
    Slot& slot = slots_[index];
    slot.owner = nullptr;
    if (++slot.generation == 0) slot.generation = 1;
    slot.next_free = first_free_;
    first_free_ = index;
    --in_use_;
  }

  size_t in_use() const { return in_use_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Slot {
    Owner* owner;
    uint32_t generation;
    uint32_t next_free;
  };

  std::vector<Slot> slots_;
  uint32_t first_free_ = kNone;
  size_t in_use_ = 0;
};

}  // namespace quota
