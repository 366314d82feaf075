#include "front/front_door.h"

#include <utility>

#include "absl/status/status.h"

namespace quota::front {

absl::StatusOr<std::unique_ptr<FrontDoor>> FrontDoor::open(const FrontDoorOptions& options,
                                                           const MakeDecider& make_decider,
                                                           Reception::HandOver other) {
  const auto no_descriptors = [] {
    return absl::ResourceExhaustedError(
        "listen: the kernel gives no more descriptors; raise the limit on open files (ulimit -n)");
  };
  std::unique_ptr<FrontDoor> self(new FrontDoor);
  auto listeners = Listeners::open(options.listen);
  if (!listeners.ok()) return listeners.status();
  self->listeners_.emplace(*std::move(listeners));
  self->port_ = self->listeners_->port();
  for (int i = 0; i < options.threads; ++i) {
    self->loops_.push_back(std::make_unique<Loop>(make_decider(i)));
    if (!self->loops_.back()->works()) return no_descriptors();
  }
  Reception::HandOver gateway = other;
  if (options.threads > 0) {
    gateway = [door = self.get()](Fd socket) {
      door->loops_[door->next_loop_++ % door->loops_.size()]->adopt(std::move(socket));
    };
  }
  self->reception_ = std::make_unique<Reception>(self->listeners_->take(), std::move(gateway),
                                                 std::move(other), options.reception);
  if (!self->reception_->works()) return no_descriptors();
  for (const auto& loop : self->loops_) {
    self->threads_.emplace_back([&loop = *loop] { loop.run(); });
  }
  self->receptionist_ = std::thread([&reception = *self->reception_] { reception.run(); });
  return self;
}

FrontDoor::~FrontDoor() {
  close(std::chrono::milliseconds(0));
  join();
}

void FrontDoor::close(std::chrono::milliseconds patience) {
  if (receptionist_.joinable()) {
    reception_->stop();
    receptionist_.join();
  }
  reception_.reset();
  listeners_.reset();
  for (const auto& loop : loops_) loop->end(patience);
}

void FrontDoor::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace quota::front
