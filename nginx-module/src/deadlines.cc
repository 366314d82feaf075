#include "deadlines.h"

namespace quota {

// nginx asks whether a timer holds the worker only when the worker wants to quit, so that the
// answer may change while the timer is armed. It stays armed when the queue runs empty: arming one
// for each request would be the cost this class is there to avoid.
void DeadlineQueue::add(Waiter* waiter) noexcept {
  waiter->queue_ = this;
  waiter->deadline_ = ngx_current_msec + timeout_;
  waiter->before_ = last_;
  waiter->after_ = nullptr;
  (last_ != nullptr ? last_->after_ : first_) = waiter;
  last_ = waiter;
  timer_.hold_worker(true);
  if (!timer_.running()) timer_.start(timeout_);
}

void DeadlineQueue::remove(Waiter* waiter) noexcept {
  (waiter->before_ != nullptr ? waiter->before_->after_ : first_) = waiter->after_;
  (waiter->after_ != nullptr ? waiter->after_->before_ : last_) = waiter->before_;
  waiter->queue_ = nullptr;
  if (first_ == nullptr) timer_.hold_worker(false);
}

void DeadlineQueue::on_timer() noexcept {
  while (first_ != nullptr) {
    const auto left = static_cast<ngx_msec_int_t>(first_->deadline_ - ngx_current_msec);
    if (left > 0) {  // armed for one that has had its verdict since
      timer_.start(static_cast<ngx_msec_t>(left));
      return;
    }
    Waiter* late = first_;
    remove(late);
    owner_->on_deadline(late, timeout_);
  }
}

DeadlineQueue* Deadlines::queue_for(ngx_msec_t timeout) {
  for (const auto& queue : queues_) {
    if (queue->timeout() == timeout) return queue.get();
  }
  queues_.push_back(std::make_unique<DeadlineQueue>(owner_, timeout));
  return queues_.back().get();
}

Waiter* Deadlines::any() const noexcept {
  for (const auto& queue : queues_) {
    if (Waiter* waiter = queue->first()) return waiter;
  }
  return nullptr;
}

}  // namespace quota
