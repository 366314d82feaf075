#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/fd.h"

namespace quota::front {

// Who is told what has become of a file descriptor.
class Source {
 public:
  virtual ~Source() = default;
  virtual void ready(uint32_t events) = 0;  // EPOLLIN and so on
};

// Waits for many file descriptors at once; of one thread.
class Poller {
 public:
  Poller();

  bool works() const { return static_cast<bool>(epoll_); }
  // False: the kernel has no room for it.
  [[nodiscard]] bool watch(int fd, uint32_t events, Source& source);
  void change(int fd, uint32_t events, Source& source);
  // From here on `source` is not called any more, even where something has happened already.
  void forget(int fd, const Source& source);

  // Calls the sources of all that has happened. Waits for at most so long, or for ever (-1).
  void wait(int timeout_ms);

 private:
  Fd epoll_;
  std::array<epoll_event, 64> happened_{};
  std::span<epoll_event> pending_;  // what of it has not been told yet
};

}  // namespace quota::front
