#include "rls/desk.h"

#include <utility>

#include "rls/call.h"

namespace quota::rls {
namespace {

// So many may begin at once without waiting for an object to receive them.
constexpr int kAwaited = 32;
// Kept for reuse; what a burst needed beyond that is given back.
constexpr size_t kMostIdle = 1'024;

}  // namespace

Desk::Desk(Service& service, rpc::Queue& queue, const Options& options)
    : service_(service), queue_(queue), options_(options) {
  idle_.reserve(kMostIdle);
}

Desk::~Desk() = default;

void Desk::open() {
  for (int i = 0; i < kAwaited; ++i) await_next();
}

void Desk::await_next() {
  if (idle_.empty()) {
    std::make_shared<Call>(*this)->await();
    return;
  }
  const std::shared_ptr<Call> call = std::move(idle_.back());
  idle_.pop_back();
  call->await();
}

void Desk::put_back(std::shared_ptr<Call> call) {
  if (idle_.size() < kMostIdle) idle_.push_back(std::move(call));
}

}  // namespace quota::rls
