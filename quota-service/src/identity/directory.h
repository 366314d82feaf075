#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/sha256.h"
#include "base/string_map.h"
#include "policy/policy.h"

namespace quota::identity {

// The consumers that are managed while quotad runs, by id and by key. It is only the memory of
// them; whoever changes it writes to the store first. Resolvers cache what they find here and drop
// their caches when generation() changes.
class Directory {
 public:
  using ConsumerPtr = std::shared_ptr<const policy::Consumer>;

  ConsumerPtr find(std::string_view id) const;
  ConsumerPtr find_by_key(const Sha256& key) const;
  std::vector<ConsumerPtr> list() const;  // ordered by id

  // Inserts or replaces. The caller has made sure that no other consumer holds one of the keys.
  void put(policy::Consumer consumer);
  bool remove(std::string_view id);

  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  void forget_keys(const ConsumerPtr& consumer);  // under mutex_

  mutable std::mutex mutex_;
  StringMap<ConsumerPtr> by_id_;
  absl::flat_hash_map<Sha256, ConsumerPtr> by_key_;
  std::atomic<uint64_t> generation_{0};
};

}  // namespace quota::identity
