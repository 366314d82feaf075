#include "identity/full_directory.h"

#include <utility>

namespace quota::identity {
namespace {

Answer answer(ConsumerPtr found) {
  const auto state = found ? Answer::State::kKnown : Answer::State::kAbsent;
  return {.state = state, .consumer = std::move(found)};
}

}  // namespace

Answer FullDirectory::look_up(std::string_view id, int64_t, const std::shared_ptr<Awaiter>&) {
  return answer(find(id));
}

Answer FullDirectory::look_up_by_key(const Sha256& key, int64_t, const std::shared_ptr<Awaiter>&) {
  return answer(find_by_key(key));
}

ConsumerPtr FullDirectory::find(std::string_view id) const {
  std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

ConsumerPtr FullDirectory::find_by_key(const Sha256& key) const {
  std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second;
}

void FullDirectory::put(policy::Consumer consumer) {
  const auto fresh = std::make_shared<const policy::Consumer>(std::move(consumer));
  std::lock_guard lock(mutex_);
  ConsumerPtr& slot = by_id_[fresh->id];
  if (slot) forget_keys(slot);
  slot = fresh;
  for (const Sha256& key : fresh->api_keys) by_key_[key] = fresh;
  begin_generation();
}

bool FullDirectory::remove(std::string_view id) {
  std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  forget_keys(found->second);
  by_id_.erase(found);
  begin_generation();
  return true;
}

void FullDirectory::forget_keys(const ConsumerPtr& consumer) {
  for (const Sha256& key : consumer->api_keys) {
    const auto found = by_key_.find(key);
    if (found != by_key_.end() && found->second == consumer) by_key_.erase(found);
  }
}

}  // namespace quota::identity
