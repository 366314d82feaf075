#include "rpc/check_call.h"

#include "rpc/bytes.h"

namespace quota::rpc {

void CheckCall::await(Service& service, Queue& queue) {
  const auto call = std::make_shared<CheckCall>(service, queue);
  call->alive_ = call;
  queue.operation_starts();
  service.RequestCheck(&call->context_, &call->request_, &call->writer_, queue.cq(), queue.cq(),
                       static_cast<Event*>(call.get()));
}

void CheckCall::done(bool ok) {
  const std::shared_ptr<CheckCall> alive = std::move(alive_);
  if (!opened_) on_opened(ok);
}

void CheckCall::on_opened(bool ok) {
  if (!ok) return;  // the server shuts down
  opened_ = true;
  await(service_, queue_);
  const ReceivedBytes message(request_);
  switch (queue_.decider().decide_one(message.view(), verdict_, shared_from_this())) {
    case Decider::One::kDecided:
      finish(grpc::Status::OK);
      break;
    case Decider::One::kWaiting:
      break;
    case Decider::One::kMalformed:
      finish({grpc::StatusCode::INVALID_ARGUMENT,
              "the CheckRequest could not be read: send quota.v1.CheckRequest with a check of at "
              "most " +
                  std::to_string(kMaxAttributesPerCheck) + " attributes"});
      break;
  }
}

void CheckCall::deliver(const VerdictFacts& facts, const engine::Decision& decision) {
  append_verdict(verdict_, facts, decision);
  queue_.post(shared_from_this());
}

void CheckCall::wake() { finish(grpc::Status::OK); }

void CheckCall::finish(const grpc::Status& status) {
  alive_ = shared_from_this();
  queue_.operation_starts();
  void* tag = static_cast<Event*>(this);
  if (status.ok()) {
    writer_.Finish(borrow(verdict_), status, tag);
  } else {
    writer_.FinishWithError(status, tag);
  }
}

}  // namespace quota::rpc
