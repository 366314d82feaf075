#include "admin/bounded_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace quota::admin {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How often a waiting connection looks whether the server stops.
constexpr milliseconds kSlice{100};

}  // namespace

BoundedStream::BoundedStream(int socket, const std::atomic<bool>& stopping)
    : socket_(socket), stopping_(stopping), deadline_(Clock::now() + kTime) {
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
}

BoundedStream::~BoundedStream() {
  linger();
  close(socket_);
}

ssize_t BoundedStream::read(char* data, size_t size) {
  if (left_ == 0 || !wait_for(POLLIN)) return -1;
  const ssize_t got = recv(socket_, data, std::min(size, left_), 0);
  if (got > 0) left_ -= static_cast<size_t>(got);
  return got;
}

ssize_t BoundedStream::write(const char* data, size_t size) {
  if (!writing_) {
    writing_ = true;
    deadline_ = Clock::now() + kTime;
  }
  if (!wait_for(POLLOUT)) return -1;
  return send(socket_, data, size, MSG_NOSIGNAL);
}

bool BoundedStream::wait_for(short event) const {
  while (!stopping_.load(std::memory_order_relaxed)) {
    const auto left = std::chrono::ceil<milliseconds>(deadline_ - Clock::now());
    if (left <= milliseconds::zero()) return false;
    pollfd waiting{.fd = socket_, .events = event, .revents = 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::min(left, kSlice).count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
  return false;
}

// A socket that is closed with bytes unread resets the connection, and the peer may lose the answer
// that says why. So the rest of a refused request is read and thrown away, within bounds.
void BoundedStream::linger() {
  constexpr size_t kMostWasted = 16 << 20;
  shutdown(socket_, SHUT_WR);
  deadline_ = std::min(deadline_, Clock::now() + milliseconds(250));
  std::array<char, 64 << 10> waste;
  for (size_t wasted = 0; wasted < kMostWasted && wait_for(POLLIN);) {
    const ssize_t got = recv(socket_, waste.data(), waste.size(), 0);
    if (got <= 0) return;
    wasted += static_cast<size_t>(got);
  }
}

}  // namespace quota::admin
