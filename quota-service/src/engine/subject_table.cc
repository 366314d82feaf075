#include "engine/subject_table.h"

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace quota::engine {

SubjectTable::SubjectTable(size_t capacity)
    : capacity_(capacity),
      chunks_(std::make_unique<std::atomic<Record*>[]>((capacity + kChunk - 1) / kChunk)),
      index_(capacity) {}

size_t SubjectTable::hash_of(std::string_view key) {
  return absl::HashOf(absl::string_view(key.data(), key.size()));
}

Record* SubjectTable::find(std::string_view key, size_t hash) {
  const uint32_t slot = index_.find(hash, [&](uint32_t at_slot) { return at(at_slot).key == key; });
  return slot == SubjectIndex::kNone ? nullptr : &at(slot);
}

Record& SubjectTable::insert(std::string_view key, size_t hash) {
  uint32_t slot;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    slot = static_cast<uint32_t>(used_places_);
    if (used_places_ == owned_.size() * kChunk) {
      const auto& chunk = owned_.emplace_back(std::make_unique<Record[]>(kChunk));
      chunks_[slot / kChunk].store(chunk.get(), std::memory_order_relaxed);
    }
    ++used_places_;
  }
  Record& record = at(slot);
  record = Record{};
  record.key.assign(key);
  record.live = true;
  index_.insert(hash, slot);
  return record;
}

void SubjectTable::erase(Record& record) {
  const size_t hash = hash_of(record.key);
  const uint32_t slot =
      index_.find(hash, [&](uint32_t at_slot) { return &at(at_slot) == &record; });
  index_.erase(hash, slot);
  free_.push_back(slot);
  record = Record{};
}

}  // namespace quota::engine
