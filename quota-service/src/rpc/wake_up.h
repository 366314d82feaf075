#pragma once

#include <cstdint>

namespace quota::rpc {

// Has Decider::wake() called, on the decider's own thread.
class WakeUp {
 public:
  virtual ~WakeUp() = default;
  virtual void wake_soon() = 0;  // from any thread
  // From the decider's thread; may come too early.
  virtual void wake_in(int64_t us) = 0;
};

}  // namespace quota::rpc
