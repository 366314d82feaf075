// Deadlines of waiting checks. All checks with one quota_timeout expire in the order they came, so
// a queue and a single timer for its head do what would otherwise take a timer per request.
#pragma once

#include <memory>
#include <vector>

#include "ngx.h"
#include "waiter.h"

namespace quota {

class DeadlineQueue {
 public:
  class Owner {
   public:
    // `waiter` has been taken out of its queue, where it waited for `timeout`.
    virtual void on_deadline(Waiter* waiter, ngx_msec_t timeout) noexcept = 0;

   protected:
    ~Owner() = default;
  };

  DeadlineQueue(Owner* owner, ngx_msec_t timeout) : owner_(owner), timeout_(timeout) {}

  ngx_msec_t timeout() const { return timeout_; }

  void add(Waiter* waiter) noexcept;
  void remove(Waiter* waiter) noexcept;

  // The one that waits longest, or nullptr.
  Waiter* first() const { return first_; }

 private:
  void on_timer() noexcept;

  Owner* owner_;
  ngx_msec_t timeout_;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  Event<DeadlineQueue, &DeadlineQueue::on_timer> timer_{this};
};

class Deadlines {
 public:
  explicit Deadlines(DeadlineQueue::Owner* owner) : owner_(owner) {}

  // The queue of all checks with this timeout, made at its first use; a configuration has one or
  // a few. Throws std::bad_alloc.
  DeadlineQueue* queue_for(ngx_msec_t timeout);

  // Any waiter of any queue, or nullptr.
  Waiter* any() const noexcept;

 private:
  DeadlineQueue::Owner* owner_;
  std::vector<std::unique_ptr<DeadlineQueue>> queues_;
};

}  // namespace quota
