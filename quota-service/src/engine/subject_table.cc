#include "engine/subject_table.h"

namespace quota::engine {

Record* SubjectTable::find(std::string_view key, size_t hash) {
  const auto it = slots_.find(Probe{key, hash}, hash);
  return it == slots_.end() ? nullptr : &at(*it);
}

Record& SubjectTable::insert(std::string_view key, size_t hash) {
  uint32_t slot;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    slot = static_cast<uint32_t>(used_places_);
    if (used_places_ == chunks_.size() * kChunk) {
      chunks_.push_back(std::make_unique<Record[]>(kChunk));
    }
    ++used_places_;
  }
  Record& record = at(slot);
  record = Record{};
  record.key.assign(key);
  record.hash = hash;
  record.live = true;
  slots_.insert(slot);
  return record;
}

void SubjectTable::erase(Record& record) {
  const auto it = slots_.find(Probe{record.key, record.hash}, record.hash);
  free_.push_back(*it);
  slots_.erase(it);
  record = Record{};
}

}  // namespace quota::engine
