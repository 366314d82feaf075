#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace quota::engine {

// Which slot holds the subject with this hash: an open table whose entries say 32 bits of the hash
// beside the slot, so that next to nothing but the index is read to find a slot, and nothing else
// to make the index larger. Its memory stays where it is for as long as it lives; so it may be
// asked for a hint by threads that hold no lock while another changes it.
class SubjectIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // For at most so many entries. Memory that was never needed is only addresses.
  explicit SubjectIndex(size_t most);
  SubjectIndex(const SubjectIndex&) = delete;
  SubjectIndex& operator=(const SubjectIndex&) = delete;

  // Of the entries that have these bits of the hash, the first slot for which is_it(slot) is true.
  template <typename IsIt>
  uint32_t find(size_t hash, IsIt is_it) const {
    const uint32_t tag = tag_of(hash);
    for (size_t at = home(tag);; at = next(at)) {
      const uint64_t entry = load(at);
      if (entry == kEmpty) return kNone;
      if (tag_in(entry) == tag && is_it(slot_in(entry))) return slot_in(entry);
    }
  }
  // The slot must not be in the index, which must not be full.
  void insert(size_t hash, uint32_t slot);
  // The slot must be in the index.
  void erase(size_t hash, uint32_t slot);
  size_t size() const { return size_; }

  // These two are for everybody, at any time, under no lock.
  void prefetch(size_t hash) const { __builtin_prefetch(&entries_[home(tag_of(hash))]); }
  // A slot that may be that of the subject: while the index changes, and seldom otherwise, it is
  // another's, or none although there is one.
  uint32_t hint(size_t hash) const {
    constexpr int kLook = 16;
    const uint32_t tag = tag_of(hash);
    size_t at = home(tag);
    for (int i = 0; i < kLook; ++i, at = next(at)) {
      const uint64_t entry = load(at);
      if (entry == kEmpty) break;
      if (tag_in(entry) == tag) return slot_in(entry);
    }
    return kNone;
  }

 private:
  using Entry = std::atomic<uint64_t>;  // the tag, and one more than the slot
  static_assert(Entry::is_always_lock_free && sizeof(Entry) == 8);
  struct Unmap {
    size_t bytes;
    void operator()(Entry* entries) const;
  };
  static constexpr uint64_t kEmpty = 0;

  // The engine's choice of a shard has used up the topmost bits.
  static uint32_t tag_of(size_t hash) { return static_cast<uint32_t>(hash); }
  static uint32_t tag_in(uint64_t entry) { return static_cast<uint32_t>(entry >> 32); }
  static uint32_t slot_in(uint64_t entry) { return static_cast<uint32_t>(entry) - 1; }

  // By the upper bits, so that a larger index has its entries in the same order.
  size_t home(uint32_t tag) const { return tag >> shift_.load(std::memory_order_relaxed); }
  size_t places() const { return size_t{1} << (32 - shift_.load(std::memory_order_relaxed)); }
  size_t next(size_t at) const { return (at + 1) & (places() - 1); }
  uint64_t load(size_t at) const { return entries_[at].load(std::memory_order_relaxed); }
  void store(size_t at, uint64_t entry) { entries_[at].store(entry, std::memory_order_relaxed); }
  void put(uint64_t entry);
  void grow();

  std::unique_ptr<Entry[], Unmap> entries_;  // room for all that may come
  std::atomic<uint32_t> shift_;
  size_t size_ = 0;
};

}  // namespace quota::engine
