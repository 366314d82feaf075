#include "front/poller.h"

namespace quota::front {

Poller::Poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

bool Poller::watch(int fd, uint32_t events, Source& source) {
  epoll_event event{.events = events, .data = {.ptr = &source}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Poller::change(int fd, uint32_t events, Source& source) {
  epoll_event event{.events = events, .data = {.ptr = &source}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Poller::forget(int fd, const Source& source) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  for (epoll_event& event : pending_) {
    if (event.data.ptr == &source) event.data.ptr = nullptr;
  }
}

void Poller::wait(int timeout_ms) {
  const int count =
      epoll_wait(epoll_.get(), happened_.data(), static_cast<int>(happened_.size()), timeout_ms);
  if (count <= 0) return;
  pending_ = {happened_.data(), static_cast<size_t>(count)};
  while (!pending_.empty()) {
    const epoll_event event = pending_.front();
    pending_ = pending_.subspan(1);
    if (event.data.ptr != nullptr) static_cast<Source*>(event.data.ptr)->ready(event.events);
  }
}

}  // namespace quota::front
