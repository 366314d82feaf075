#pragma once

#include <mutex>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "base/string_map.h"
#include "identity/directory.h"

namespace quota::identity {

// All managed consumers: who is not here does not exist.
class FullDirectory final : public Directory {
 public:
  ConsumerPtr find(std::string_view id) const;
  ConsumerPtr find_by_key(const Sha256& key) const;

  // Inserts or replaces. The caller has made sure that no other consumer holds one of the keys.
  void put(policy::Consumer consumer);
  bool remove(std::string_view id);

  Answer look_up(std::string_view id, int64_t mono_us,
                 const std::shared_ptr<Awaiter>& awaiter) override;
  Answer look_up_by_key(const Sha256& key, int64_t mono_us,
                        const std::shared_ptr<Awaiter>& awaiter) override;
  void changed(const policy::Consumer& consumer) override { put(consumer); }
  void removed(std::string_view id) override { remove(id); }

 private:
  void forget_keys(const ConsumerPtr& consumer);  // under mutex_

  mutable std::mutex mutex_;
  StringMap<ConsumerPtr> by_id_;
  absl::flat_hash_map<Sha256, ConsumerPtr> by_key_;
};

}  // namespace quota::identity
