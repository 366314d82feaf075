#include "policy/live_policy.h"

#include <utility>

#include "policy/load.h"

namespace quota::policy {

LivePolicy::LivePolicy(std::string path, std::function<Now()> clock)
    : path_(std::move(path)), clock_(std::move(clock)) {}

LivePolicy::LivePolicy(std::shared_ptr<const Policy> policy)
    : clock_(read_clocks), loaded_(policy), policy_(std::move(policy)), generation_(1) {}

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
  const bool is_other_mode = !loaded_ || loaded_->mode != (*policy)->mode;
  loaded_ = *std::move(policy);
  if (is_other_mode && !override_) mode_since_ms_ = clock_().unix_us / 1000;
  put_in_force();
  return absl::OkStatus();
}

void LivePolicy::override_mode(std::optional<Mode> mode, int64_t unix_ms) {
  const std::lock_guard lock(mutex_);
  if (!mode && !override_) return;
  const bool is_same = mode == override_;
  override_ = mode;
  mode_since_ms_ = unix_ms;
  if (loaded_ && !is_same) put_in_force();
}

void LivePolicy::put_in_force() {
  policy_ = loaded_;
  if (override_ && *override_ != loaded_->mode) {
    auto changed = std::make_shared<Policy>(*loaded_);
    changed->mode = *override_;
    policy_ = std::move(changed);
  }
  // After the policy, so that whoever sees the new generation gets a policy at least as new.
  generation_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const Policy> LivePolicy::get() const {
  const std::lock_guard lock(mutex_);
  return policy_;
}

LivePolicy::Stats LivePolicy::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

LivePolicy::ModeInForce LivePolicy::mode() const {
  const std::lock_guard lock(mutex_);
  if (!loaded_) return {};
  return {.mode = policy_->mode,
          .is_override = override_.has_value(),
          .policy_mode = loaded_->mode,
          .since_unix_ms = mode_since_ms_};
}

}  // namespace quota::policy
