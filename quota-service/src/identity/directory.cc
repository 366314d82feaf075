#include "identity/directory.h"

#include <algorithm>
#include <utility>

namespace quota::identity {

Directory::ConsumerPtr Directory::find(std::string_view id) const {
  std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

Directory::ConsumerPtr Directory::find_by_key(const Sha256& key) const {
  std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second;
}

std::vector<Directory::ConsumerPtr> Directory::list() const {
  std::vector<ConsumerPtr> all;
  {
    std::lock_guard lock(mutex_);
    all.reserve(by_id_.size());
    for (const auto& [id, consumer] : by_id_) all.push_back(consumer);
  }
  std::ranges::sort(all, {},
                    [](const ConsumerPtr& consumer) { return std::string_view(consumer->id); });
  return all;
}

void Directory::put(policy::Consumer consumer) {
  const auto fresh = std::make_shared<const policy::Consumer>(std::move(consumer));
  std::lock_guard lock(mutex_);
  ConsumerPtr& slot = by_id_[fresh->id];
  if (slot) forget_keys(slot);
  slot = fresh;
  for (const Sha256& key : fresh->api_keys) by_key_[key] = fresh;
  // Under the lock: whoever sees the new number also finds the new record.
  generation_.fetch_add(1, std::memory_order_release);
}

bool Directory::remove(std::string_view id) {
  std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  forget_keys(found->second);
  by_id_.erase(found);
  generation_.fetch_add(1, std::memory_order_release);
  return true;
}

void Directory::forget_keys(const ConsumerPtr& consumer) {
  for (const Sha256& key : consumer->api_keys) {
    const auto found = by_key_.find(key);
    if (found != by_key_.end() && found->second == consumer) by_key_.erase(found);
  }
}

}  // namespace quota::identity
