#include "rpc/queue.h"

#include <ctime>

namespace quota::rpc {

Queue::Queue(std::unique_ptr<grpc::ServerCompletionQueue> cq, std::unique_ptr<Decider> decider)
    : cq_(std::move(cq)), decider_(std::move(decider)) {}

Queue::~Queue() = default;

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
  if (operations_ > 0) return;
  const std::lock_guard lock(mutex_);
  if (!is_closing_ || is_closed_ || alarm_set_) return;
  is_closed_ = true;
  cq_->Shutdown();
}

void Queue::post(std::shared_ptr<Wakeable> call) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return;
  posted_.push_back(std::move(call));
  set_alarm();
}

void Queue::set_alarm() {
  if (alarm_set_ || is_closed_) return;
  alarm_set_ = true;
  alarm_.Set(cq_.get(), gpr_now(GPR_CLOCK_MONOTONIC), static_cast<Event*>(this));
}

void Queue::done(bool) {
  std::vector<std::shared_ptr<Wakeable>> posted;
  {
    const std::lock_guard lock(mutex_);
    posted.swap(posted_);
    alarm_set_ = false;
  }
  for (const auto& call : posted) call->wake();
}

}  // namespace quota::rpc
