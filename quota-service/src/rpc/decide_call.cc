#include "rpc/decide_call.h"

#include "rpc/bytes.h"

namespace quota::rpc {

void DecideCall::await(Service& service, Queue& queue) {
  const auto call = std::make_shared<DecideCall>(service, queue);
  service.RequestDecide(&call->context_, &call->stream_, queue.cq(), queue.cq(),
                        call->opened_.start());
}

DecideCall::DecideCall(Service& service, Queue& queue) : service_(service), queue_(queue) {}

void DecideCall::on_opened(bool ok) {
  if (!ok) return;  // the server shuts down
  await(service_, queue_);
  read_next();
}

void DecideCall::read_next() {
  is_reading_ = true;
  stream_.Read(&incoming_, read_.start());
}

void DecideCall::on_read(bool ok) {
  is_reading_ = false;
  if (!ok) {
    no_more_reads_ = true;
    finish_when_done();
    return;
  }
  const ReceivedBytes message(incoming_);
  if (!queue_.decider().decide_batch(message.view(), answer_, shared_from_this(), waiting_)) {
    status_ = {grpc::StatusCode::INVALID_ARGUMENT, malformed_batch()};
    no_more_reads_ = true;
  }
  has_answer_ = !answer_.empty();
  write_next();
  finish_when_done();
}

void DecideCall::write_next() {
  if (is_writing_ || is_broken_ || is_finishing_) return;
  writing_.clear();
  if (has_answer_) {
    writing_.swap(answer_);
    has_answer_ = false;
  } else {
    const std::lock_guard lock(late_mutex_);
    if (late_.empty()) return;
    writing_.swap(late_);
    waiting_ -= late_count_;
    late_count_ = 0;
  }
  is_writing_ = true;
  stream_.Write(borrow(writing_), written_.start());
  if (!no_more_reads_ && !is_reading_ && !has_answer_) read_next();
}

void DecideCall::on_written(bool ok) {
  is_writing_ = false;
  if (!ok) is_broken_ = true;
  write_next();
  finish_when_done();
}

void DecideCall::deliver(const VerdictFacts& facts, const engine::Decision& decision) {
  bool first;
  {
    const std::lock_guard lock(late_mutex_);
    first = late_count_ == 0;
    append_batch_verdict(late_, facts, decision);
    ++late_count_;
  }
  if (first) queue_.post(shared_from_this());
}

void DecideCall::wake() {
  write_next();
  finish_when_done();
}

void DecideCall::finish_when_done() {
  if (is_broken_ && !is_reading_) no_more_reads_ = true;
  if (!no_more_reads_ || is_reading_ || is_writing_ || is_finishing_) return;
  // A client that has said all it had to say still gets every verdict, unless it is gone.
  if (!is_broken_ && (has_answer_ || (waiting_ > 0 && status_.ok()))) return;
  is_finishing_ = true;
  stream_.Finish(status_, finished_.start());
}

void DecideCall::on_finished(bool) {}

}  // namespace quota::rpc
