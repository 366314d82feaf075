#include "policy/policy.h"

namespace quota::policy {

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::kEnforce:
      return "enforce";
    case Mode::kShadow:
      return "shadow";
    case Mode::kOff:
      return "off";
  }
  return "unknown";
}

std::optional<Mode> mode_from(std::string_view word) {
  for (const Mode mode : {Mode::kEnforce, Mode::kShadow, Mode::kOff}) {
    if (to_string(mode) == word) return mode;
  }
  return std::nullopt;
}

std::string_view to_string(StoreLost store_lost) {
  switch (store_lost) {
    case StoreLost::kLocalShare:
      return "local_share";
    case StoreLost::kAllow:
      return "allow";
    case StoreLost::kDeny:
      return "deny";
  }
  return "unknown";
}

const Tier* Policy::find_tier(std::string_view name) const {
  const auto found = tier_index_.find(name);
  return found == tier_index_.end() ? nullptr : &tiers[found->second];
}

const Consumer* Policy::find_consumer(std::string_view id) const {
  const auto found = consumer_index_.find(id);
  return found == consumer_index_.end() ? nullptr : &consumers[found->second];
}

const Consumer* Policy::find_consumer_by_key(const Sha256& key) const {
  const auto found = key_index_.find(key);
  return found == key_index_.end() ? nullptr : &consumers[found->second];
}

void Policy::index_all() {
  tier_index_.clear();
  consumer_index_.clear();
  key_index_.clear();
  for (size_t i = 0; i < tiers.size(); ++i) {
    tiers[i].index = static_cast<uint32_t>(i);
    tier_index_.emplace(tiers[i].name, i);
  }
  consumer_index_.reserve(consumers.size());
  for (size_t i = 0; i < consumers.size(); ++i) {
    consumer_index_.emplace(consumers[i].id, i);
    for (const Sha256& key : consumers[i].api_keys) key_index_.emplace(key, i);
  }
}

}  // namespace quota::policy
