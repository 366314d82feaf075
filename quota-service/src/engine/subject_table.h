#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/bucket.h"
#include "engine/lease.h"
#include "engine/subject_index.h"

namespace quota::engine {

// The month of one subject, as far as this process knows it.
struct Month {
  int64_t used = 0;    // by this engine; while !loaded: what was spent on credit
  int64_t mark = 0;    // the store has recorded that up to here may be spent
  int64_t others = 0;  // what other engines have used of the limit
  int64_t chunk = 0;   // how much was asked for last time
  uint32_t chunk_at_s = 0;
  int32_t period = INT32_MIN;
  uint64_t awaited = 0;  // seq of the reserve in flight; 0: none
  uint8_t billing_day = 1;
  bool loaded = false;
  bool overdue = false;  // the reserve in flight has outlasted a waiter's patience
};

// All that is kept of one subject: two lines of the cache, so that one more would be one more to
// wait for. The two that may overlap have room at their ends, which is used.
struct alignas(64) Record {
  [[no_unique_address]] Bucket bucket;
  uint32_t seen_s = 0;  // monotonic
  std::string key;
  [[no_unique_address]] Month month;
  bool live = false;
  bool waited_for = false;       // a check waits for the store
  std::unique_ptr<Lease> lease;  // where the store is shared; the bucket is then only a view
};
static_assert(sizeof(Record) == 128);

// Subjects by key: records lie in chunks that never move, and an index says which is whose.
class SubjectTable {
 public:
  explicit SubjectTable(size_t capacity);
  SubjectTable(const SubjectTable&) = delete;
  SubjectTable& operator=(const SubjectTable&) = delete;

  static size_t hash_of(std::string_view key);

  Record* find(std::string_view key, size_t hash);
  // The key must not be in the table, which must not be full.
  Record& insert(std::string_view key, size_t hash);
  void erase(Record& record);

  size_t size() const { return index_.size(); }
  bool full() const { return index_.size() >= capacity_; }

  // These two are for everybody, under no lock: they bring what find() reads into the cache, and
  // read nothing themselves but the index and the places of chunks, which stay where they are.
  void prefetch_index(size_t hash) const { index_.prefetch(hash); }
  void prefetch_record(size_t hash) const {
    const uint32_t slot = index_.hint(hash);
    if (slot >= capacity_) return;
    const Record* const chunk = chunks_[slot / kChunk].load(std::memory_order_relaxed);
    if (chunk == nullptr) return;
    const char* const record = reinterpret_cast<const char*>(chunk + slot % kChunk);
    for (size_t line = 0; line < sizeof(Record); line += kLine) {
      __builtin_prefetch(record + line, 1);
    }
  }

  // Calls visit(record) for up to `count` places from where the last walk ended, round and round,
  // until it returns false. Erasing the visited record is allowed.
  template <typename Visit>
  void walk(size_t count, Visit visit) {
    for (size_t i = 0; i < count && used_places_ > 0; ++i) {
      hand_ = hand_ + 1 < used_places_ ? hand_ + 1 : 0;
      Record& record = at(static_cast<uint32_t>(hand_));
      if (record.live && !visit(record)) return;
    }
  }
  template <typename Visit>
  void for_each(Visit visit) {
    for (size_t i = 0; i < used_places_; ++i) {
      if (Record& record = at(static_cast<uint32_t>(i)); record.live) visit(record);
    }
  }

 private:
  static constexpr size_t kChunk = 256;
  static constexpr size_t kLine = 64;  // of the cache

  Record& at(uint32_t slot) const {
    return chunks_[slot / kChunk].load(std::memory_order_relaxed)[slot % kChunk];
  }

  const size_t capacity_;
  std::vector<std::unique_ptr<Record[]>> owned_;
  const std::unique_ptr<std::atomic<Record*>[]> chunks_;  // the same, for as many as may come
  size_t used_places_ = 0;                                // places that have ever held a record
  std::vector<uint32_t> free_;                            // of those, the ones that hold none now
  size_t hand_ = 0;
  SubjectIndex index_;
};

}  // namespace quota::engine
