#include "policy/live_policy.h"

#include <utility>

#include "policy/load.h"

namespace quota::policy {

LivePolicy::LivePolicy(std::string path) : path_(std::move(path)) {}

LivePolicy::LivePolicy(std::shared_ptr<const Policy> policy)
    : policy_(std::move(policy)), generation_(1) {}

absl::Status LivePolicy::reload() {
  // Reading takes a while. One at a time, or a slow reader of old content could come last and win.
  const std::lock_guard one_at_a_time(reload_mutex_);
  auto policy =
      path_.empty() ? load_policy(built_in_policy_yaml(), "built-in") : load_policy_file(path_);

  const std::lock_guard lock(mutex_);
  if (!policy.ok()) {
    ++stats_.rejected;
    stats_.last_error = std::string(policy.status().message());
    return policy.status();
  }
  ++stats_.loaded;
  stats_.last_error.clear();
  policy_ = *std::move(policy);
  // After the policy, so that whoever sees the new generation gets a policy at least as new.
  generation_.fetch_add(1, std::memory_order_release);
  return absl::OkStatus();
}

std::shared_ptr<const Policy> LivePolicy::get() const {
  const std::lock_guard lock(mutex_);
  return policy_;
}

LivePolicy::Stats LivePolicy::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace quota::policy
