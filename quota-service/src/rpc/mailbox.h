#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "identity/directory.h"
#include "rpc/wake_up.h"

namespace quota::rpc {

// Brings the ends of look-ups to the thread whose checks wait for them.
class Mailbox final : public identity::Awaiter {
 public:
  // Null: nobody is there any more.
  void use(WakeUp* wake_up) {
    const std::lock_guard lock(mutex_);
    wake_up_ = wake_up;
  }

  void answered(uint64_t lookup) override {
    const std::lock_guard lock(mutex_);
    if (wake_up_ == nullptr) return;
    ended_.push_back(lookup);
    if (ended_.size() == 1) wake_up_->wake_soon();
  }

  std::vector<uint64_t> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(ended_, {});
  }

 private:
  std::mutex mutex_;
  WakeUp* wake_up_ = nullptr;
  std::vector<uint64_t> ended_;
};

}  // namespace quota::rpc
