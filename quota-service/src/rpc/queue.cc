#include "rpc/queue.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace quota::rpc {

Queue::Queue(std::unique_ptr<grpc::ServerCompletionQueue> cq, std::unique_ptr<Decider> decider)
    : cq_(std::move(cq)), decider_(std::move(decider)) {
  decider_->use(*this);
}

// While all else is there, because until then it may be woken.
Queue::~Queue() { decider_.reset(); }

void Queue::run() {
  void* tag = nullptr;
  bool ok = false;
  while (cq_->Next(&tag, &ok)) {
    Event* event = static_cast<Event*>(tag);
    if (event != this) --operations_;
    event->done(ok);
    close_when_idle();
  }
}

void Queue::shut_down() {
  const std::lock_guard lock(mutex_);
  is_closing_ = true;
  set_alarm();
}

void Queue::close_when_idle() {
  if (operations_ > (timer_.is_set() ? 1 : 0)) return;
  const std::lock_guard lock(mutex_);
  if (!is_closing_ || is_closed_ || alarm_set_) return;
  // Nobody is left for whom it could go off.
  if (timer_.is_set()) return timer_.hurry();
  is_closed_ = true;
  cq_->Shutdown();
}

void Queue::post(std::shared_ptr<Wakeable> call) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return;
  posted_.push_back(std::move(call));
  set_alarm();
}

void Queue::wake_soon() {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return;
  decider_is_due_ = true;
  set_alarm();
}

void Queue::Timer::set(int64_t us) {
  if (is_set_) return;  // early enough: every wait is of the same length
  is_set_ = true;
  queue_.operation_starts();
  const gpr_timespec after = gpr_time_from_micros(std::max<int64_t>(us, 1), GPR_TIMESPAN);
  alarm_.Set(queue_.cq(), gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), after),
             static_cast<Event*>(this));
}

void Queue::Timer::hurry() { alarm_.Cancel(); }

void Queue::Timer::done(bool) {
  is_set_ = false;
  queue_.decider_->wake();
}

void Queue::set_alarm() {
  if (alarm_set_ || is_closed_) return;
  alarm_set_ = true;
  alarm_.Set(cq_.get(), gpr_now(GPR_CLOCK_MONOTONIC), static_cast<Event*>(this));
}

void Queue::done(bool) {
  std::vector<std::shared_ptr<Wakeable>> posted;
  bool decider_is_due = false;
  {
    const std::lock_guard lock(mutex_);
    posted.swap(posted_);
    decider_is_due = std::exchange(decider_is_due_, false);
    alarm_set_ = false;
  }
  if (decider_is_due) decider_->wake();
  for (const auto& call : posted) call->wake();
}

}  // namespace quota::rpc
