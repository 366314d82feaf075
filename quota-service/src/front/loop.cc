#include "front/loop.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace quota::front {

Loop::Bell::Bell(Loop& loop) : loop_(loop), fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!fd_ || !loop_.poller_.watch(fd_.get(), EPOLLIN, *this)) fd_ = Fd();
}

void Loop::Bell::ring() {
  const uint64_t one = 1;
  // It can fail only where it is rung already.
  (void)!write(fd_.get(), &one, sizeof one);
}

void Loop::Bell::ready(uint32_t) {
  uint64_t times = 0;
  (void)!read(fd_.get(), &times, sizeof times);
  loop_.empty_inbox();
}

Loop::Timer::Timer(Loop& loop)
    : loop_(loop), fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  if (!fd_ || !loop_.poller_.watch(fd_.get(), EPOLLIN, *this)) fd_ = Fd();
}

void Loop::Timer::set(int64_t us) {
  if (is_set_) return;  // early enough: every wait is of the same length
  is_set_ = true;
  us = std::max<int64_t>(us, 1);
  const itimerspec after{.it_interval = {},
                         .it_value = {.tv_sec = us / 1'000'000, .tv_nsec = us % 1'000'000 * 1000}};
  timerfd_settime(fd_.get(), 0, &after, nullptr);
}

void Loop::Timer::ready(uint32_t) {
  uint64_t times = 0;
  (void)!read(fd_.get(), &times, sizeof times);
  is_set_ = false;
  loop_.decider_->wake();
}

Loop::Loop(std::unique_ptr<rpc::Decider> decider) : decider_(std::move(decider)) {
  decider_->use(*this);
}

// While all else is there, because until then it may be woken.
Loop::~Loop() { decider_.reset(); }

bool Loop::works() const { return poller_.works() && bell_.fd() >= 0 && timer_.fd() >= 0; }

void Loop::run() {
  while (!end_by_ || (!connections_.empty() && patience_ms() > 0)) {
    poller_.wait(end_by_ ? patience_ms() : -1);
  }
  Inbox late;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    std::swap(late, inbox_);
  }
  while (!connections_.empty()) {
    const std::shared_ptr<Connection> connection = *connections_.begin();
    connection->close();
  }
}

int Loop::patience_ms() const {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*end_by_ - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

template <typename Leave>
void Loop::leave(Leave&& leave) {
  const std::lock_guard lock(mutex_);
  if (is_over_) return;
  leave(inbox_);
  if (!std::exchange(is_rung_, true)) bell_.ring();
}

void Loop::adopt(Fd socket) {
  leave([&](Inbox& inbox) { inbox.sockets.push_back(std::move(socket)); });
}

void Loop::post(std::shared_ptr<Connection> connection) {
  leave([&](Inbox& inbox) { inbox.posted.push_back(std::move(connection)); });
}

void Loop::wake_soon() {
  leave([](Inbox& inbox) { inbox.decider_is_due = true; });
}

void Loop::end(std::chrono::milliseconds patience) {
  const auto end_by = std::chrono::steady_clock::now() + patience;
  leave([&](Inbox& inbox) { inbox.end_by = end_by; });
}

void Loop::empty_inbox() {
  Inbox inbox;
  {
    const std::lock_guard lock(mutex_);
    std::swap(inbox, inbox_);
    is_rung_ = false;
  }
  for (Fd& socket : inbox.sockets) {
    if (end_by_) continue;
    const auto connection = std::make_shared<Connection>(std::move(socket), *this);
    if (connection->open()) connections_.insert(connection);
  }
  if (inbox.decider_is_due) decider_->wake();
  for (const auto& connection : inbox.posted) connection->write_late();
  if (!inbox.end_by || end_by_) return;
  end_by_ = inbox.end_by;
  const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
  for (const auto& connection : all) connection->end_soon();
}

void Loop::closed(const std::shared_ptr<Connection>& connection) { connections_.erase(connection); }

}  // namespace quota::front
