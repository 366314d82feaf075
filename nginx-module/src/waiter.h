// Somebody who asked the sidecar and waits for the verdict.
#pragma once

#include "codec.h"
#include "ngx.h"

namespace quota {

class DeadlineQueue;

enum class Failure {
  kTimeout,      // no verdict within quota_timeout
  kUnavailable,  // the sidecar is away, or has been found not to answer
};

// Between Client::ask() and one of the two calls, which end the wait, the client keeps a pointer;
// Client::forget() takes it back.
class Waiter {
 public:
  // `now_us` is the monotonic time; one reading serves all verdicts of a message.
  virtual void on_verdict(const Verdict& verdict, uint64_t now_us) noexcept = 0;
  virtual void on_failure(Failure failure) noexcept = 0;

  bool waiting() const { return queue_ != nullptr; }

 protected:
  ~Waiter() = default;

 private:
  friend class Client;
  friend class DeadlineQueue;

  DeadlineQueue* queue_ = nullptr;
  Waiter* before_ = nullptr;  // its neighbours in that queue
  Waiter* after_ = nullptr;
  ngx_msec_t deadline_ = 0;
  uint64_t id_ = 0;
};

}  // namespace quota
