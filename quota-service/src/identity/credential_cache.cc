#include "identity/credential_cache.h"

#include <algorithm>
#include <utility>

namespace quota::identity {
namespace {

bool stands(const Finding& finding, int64_t unix_s) {
  return finding.from_unix_s <= unix_s && unix_s < finding.until_unix_s;
}

}  // namespace

CredentialCache::CredentialCache(size_t capacity)
    : generation_size_(std::max<size_t>(capacity / 2, 1)) {}

const Finding* CredentialCache::find(const CredentialKey& key, int64_t unix_s) {
  if (const auto found = young_.find(key); found != young_.end()) {
    return stands(found->second, unix_s) ? &found->second : nullptr;
  }
  const auto found = old_.find(key);
  if (found == old_.end()) return nullptr;
  Finding finding = std::move(found->second);
  old_.erase(found);
  return stands(finding, unix_s) ? &insert(key, std::move(finding)) : nullptr;
}

const Finding& CredentialCache::insert(const CredentialKey& key, Finding finding) {
  if (young_.size() >= generation_size_ && !young_.contains(key)) {
    forgotten_.push_back(std::exchange(old_, std::exchange(young_, {})));
  }
  return young_.insert_or_assign(key, std::move(finding)).first->second;
}

void CredentialCache::clear() {
  young_.clear();
  old_.clear();
  forgotten_.clear();
}

}  // namespace quota::identity
