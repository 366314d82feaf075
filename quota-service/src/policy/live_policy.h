#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/time.h"
#include "policy/policy.h"

namespace quota::policy {

// The policy in force, and how the last attempt to replace it went. A wrong policy never replaces a
// good one. Readers keep their own shared_ptr and ask generation() once per batch whether it is
// still the newest: one relaxed load of a value that changes only on a reload or another mode.
class LivePolicy {
 public:
  // `path` empty: the built-in policy. Nothing is in force until the first reload() that succeeds.
  explicit LivePolicy(std::string path, std::function<Now()> clock = read_clocks);
  // A policy that is in force and never changes.
  explicit LivePolicy(std::shared_ptr<const Policy> policy);

  // Reads the file (and a jwt.key_file) again; one caller at a time, others wait. On an error the
  // policy in force stays and the error is remembered.
  absl::Status reload();

  // From now on, and over every reload, this mode rules instead of the policy's own; none: the
  // policy's own again. `unix_ms` is when that was decided.
  void override_mode(std::optional<Mode> mode, int64_t unix_ms);

  // 0 until a policy is in force, and one more with each that comes after.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  std::shared_ptr<const Policy> get() const;  // null while generation() is 0
  const std::string& path() const { return path_; }

  struct Stats {
    uint64_t loaded = 0;
    uint64_t rejected = 0;
    std::string last_error;  // empty when the newest attempt succeeded
  };
  Stats stats() const;

  struct ModeInForce {
    Mode mode = Mode::kEnforce;
    bool is_override = false;
    Mode policy_mode = Mode::kEnforce;  // what the policy says
    int64_t since_unix_ms = 0;
  };
  ModeInForce mode() const;

 private:
  // What is in force follows from loaded_ and override_; with mutex_ held.
  void put_in_force();

  const std::string path_;
  const std::function<Now()> clock_;
  std::mutex reload_mutex_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Policy> loaded_;  // as the file has it
  std::shared_ptr<const Policy> policy_;
  std::optional<Mode> override_;
  int64_t mode_since_ms_ = 0;
  Stats stats_;
  std::atomic<uint64_t> generation_{0};
};

}  // namespace quota::policy
