#pragma once

#include <mutex>
#include <optional>

#include "absl/status/status.h"
#include "admin/http.h"
#include "policy/live_policy.h"
#include "store/mode_store.h"

namespace quota::admin {

// /v1/mode, and what happens when another quotad's admin API is told: the mode of the live policy
// follows the store. It may also be switched here alone, which lasts until the store has something
// newer to say, or the end of the process.
class ModeSwitch {
 public:
  ModeSwitch(policy::LivePolicy& live, store::ModeStore& store) : live_(live), store_(store) {}
  ~ModeSwitch();  // follows no more
  ModeSwitch(const ModeSwitch&) = delete;
  ModeSwitch& operator=(const ModeSwitch&) = delete;

  absl::Status follow();

  Reply get() const;
  Reply put(const Request& request);

 private:
  enum class Scope { kAll, kLocal };
  void apply(std::optional<policy::Mode> mode, int64_t unix_ms, Scope scope);

  policy::LivePolicy& live_;
  store::ModeStore& store_;
  mutable std::mutex mutex_;
  Scope scope_ = Scope::kAll;
};

}  // namespace quota::admin
