#include "rls/call.h"

#include <span>
#include <utility>

#include "base/time.h"
#include "rpc/bytes.h"

namespace quota::rls {

void* Call::start_operation() {
  alive_ = shared_from_this();
  desk_.queue().operation_starts();
  return static_cast<rpc::Event*>(this);
}

void Call::await() {
  context_.emplace();
  writer_.emplace(&*context_);
  is_awaited_ = true;
  grpc::ServerCompletionQueue* const cq = desk_.queue().cq();
  desk_.service().RequestShouldRateLimit(&*context_, &request_, &*writer_, cq, cq,
                                         start_operation());
}

void Call::done(bool ok) {
  const std::shared_ptr<Call> alive = std::move(alive_);
  if (!std::exchange(is_awaited_, false)) {
    on_finished();
  } else if (ok) {
    on_opened();
  }  // else the server shuts down
}

void Call::on_opened() {
  desk_.await_next();
  RequestReader& checks = desk_.reader();
  const rpc::ReceivedBytes message(request_);
  if (const Fault fault = checks.read(message.view()); fault != Fault::kNone) {
    refuse(fault);
    return;
  }
  size_ = checks.size();
  if (verdicts_.size() < size_) verdicts_.resize(size_);
  awaited_.store(size_ + 1, std::memory_order_relaxed);

  rpc::Decider& decider = desk_.queue().decider();
  const std::shared_ptr<rpc::LateVerdicts> late = shared_from_this();
  rpc::VerdictFacts facts;
  engine::Decision decision;
  size_t known = 0;
  decider.begin_batch();
  for (size_t i = 0; i < size_; ++i) {
    if (!decider.decide(checks[i], facts, decision, late)) continue;
    verdicts_[i].set(facts, decision);
    ++known;
  }
  decider.end_batch(size_);
  if (awaited_.fetch_sub(known + 1, std::memory_order_acq_rel) == known + 1) {
    answer(decider.now().unix_us);
  }
}

void Call::deliver(const rpc::VerdictFacts& facts, const engine::Decision& decision) {
  verdicts_[facts.id].set(facts, decision);
  if (awaited_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    desk_.queue().post(shared_from_this());
  }
}

void Call::wake() { answer(read_clocks().unix_us); }

void Call::answer(int64_t unix_us) {
  write_answer(response_, std::span(verdicts_).first(size_), desk_.options(), unix_us);
  finish();
}

void Call::refuse(Fault fault) {
  if (desk_.options().on_error == OnError::kError) {
    writer_->FinishWithError({grpc::StatusCode::INVALID_ARGUMENT, to_sentence(fault)},
                             start_operation());
    return;
  }
  write_undecided(response_, desk_.options());
  finish();
}

void Call::finish() {
  writer_->Finish(rpc::borrow(response_), grpc::Status::OK, start_operation());
}

void Call::on_finished() {
  writer_.reset();
  context_.reset();
  request_.Clear();
  desk_.put_back(shared_from_this());
}

}  // namespace quota::rls
