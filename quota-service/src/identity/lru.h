#pragma once

#include <list>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace quota::identity {

// A map that knows in which order its values were last asked for. Pointers to values stay valid
// until the value is erased.
template <typename Key, typename Value, typename Hash, typename Equal = std::equal_to<>>
class Lru {
 public:
  // Null when it is not there. Makes it the newest.
  template <typename Like>
  Value* find(const Like& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    items_.splice(items_.begin(), items_, found->second);
    return &found->second->second;
  }

  // Inserts or replaces, as the newest.
  void put(const Key& key, Value value) {
    if (Value* present = find(key)) {
      *present = std::move(value);
      return;
    }
    items_.emplace_front(key, std::move(value));
    index_.emplace(key, items_.begin());
  }

  template <typename Like>
  void erase(const Like& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return;
    items_.erase(found->second);
    index_.erase(found);
  }

  // There must be one.
  const std::pair<Key, Value>& oldest() const { return items_.back(); }
  void erase_oldest() {
    index_.erase(items_.back().first);
    items_.pop_back();
  }

  size_t size() const { return items_.size(); }

 private:
  using Items = std::list<std::pair<Key, Value>>;
  Items items_;  // the newest first
  absl::flat_hash_map<Key, typename Items::iterator, Hash, Equal> index_;
};

}  // namespace quota::identity
