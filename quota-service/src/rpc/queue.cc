#include "rpc/queue.h"

#include <ctime>

namespace quota::rpc {

Queue::Queue(std::unique_ptr<grpc::ServerCompletionQueue> cq, std::unique_ptr<Decider> decider)
    : cq_(std::move(cq)), decider_(std::move(decider)) {}

Queue::~Queue() = default;

void Queue::run() {
  void* tag = nullptr;
  bool ok = false;
  while (cq_->Next(&tag, &ok)) static_cast<Event*>(tag)->done(ok);
}

void Queue::shut_down() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  cq_->Shutdown();
}

void Queue::post(std::shared_ptr<Wakeable> call) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  posted_.push_back(std::move(call));
  if (alarm_set_) return;
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
