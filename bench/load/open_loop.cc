#include "open_loop.h"

#include "answer_reader.h"

#include <absl/strings/str_cat.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <deque>
#include <utility>
#include <vector>

namespace quota::load {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t now_ns() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

absl::Status system_error(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::string(std::strerror(errno))));
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

struct Connection {
  Descriptor socket{};
  AnswerReader reader{};
  bool waits = false;  // for an answer, to a request that should have been sent at:
  int64_t intended = 0;
};

class OpenLoop {
 public:
  explicit OpenLoop(const OpenLoopOptions& options)
      : options_(options),
        total_(static_cast<uint64_t>(options.rate * options.seconds)),
        connections_(static_cast<size_t>(options.connections)) {}

  absl::StatusOr<OpenLoopResult> run();

 private:
  absl::Status open(size_t which);
  absl::Status send_due(int64_t now);
  absl::Status wait(int64_t now, int64_t end);
  absl::Status receive(size_t which);
  absl::Status replace(size_t which);
  void finish(int64_t now);

  int64_t time_of(uint64_t request) const {
    return start_ + static_cast<int64_t>(static_cast<double>(request) * (kSecond / options_.rate));
  }

  const OpenLoopOptions& options_;
  const uint64_t total_;
  uint64_t due_ = 0;   // requests whose time has come
  uint64_t sent_ = 0;  // of them; the others wait for a free connection
  uint64_t answered_ = 0;
  int64_t start_ = 0;
  int64_t last_answer_ = 0;
  Descriptor epoll_{};
  std::vector<Connection> connections_;
  std::deque<size_t> free_;
  OpenLoopResult result_;
};

absl::Status OpenLoop::open(size_t which) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  if (inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", options_.host, "\" is not an IPv4 address such as 127.0.0.1"));
  }
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Connecting may wait, asking may not.
  if (socket.get() < 0 ||
      connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return system_error(absl::StrCat("cannot connect to ", options_.host, ":", options_.port));
  }
  const int on = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = which;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) != 0) {
    return system_error("cannot wait for a connection");
  }
  Connection& connection = connections_[which];
  connection.socket = std::move(socket);
  connection.reader.clear();
  connection.waits = false;
  free_.push_back(which);
  return absl::OkStatus();
}

absl::Status OpenLoop::send_due(int64_t now) {
  while (due_ < total_ && time_of(due_) <= now) {
    result_.lateness.record(static_cast<uint64_t>(now - time_of(due_)));
    ++due_;
  }
  while (sent_ < due_ && !free_.empty()) {
    const size_t which = free_.front();
    free_.pop_front();
    Connection& connection = connections_[which];
    connection.waits = true;
    connection.intended = time_of(sent_++);
    // Nothing is under way on this connection, so a request finds room in its buffer.
    const ssize_t written = send(connection.socket.get(), options_.request.data(),
                                 options_.request.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written != static_cast<ssize_t>(options_.request.size())) {
      if (absl::Status status = replace(which); !status.ok()) {
        return status;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status OpenLoop::wait(int64_t now, int64_t end) {
  const int64_t until = due_ < total_ ? time_of(due_) : end;
  const int64_t left = options_.spin ? 0 : std::max<int64_t>(until - now, 0);
  const timespec timeout = {.tv_sec = left / kSecond, .tv_nsec = left % kSecond};
  std::array<epoll_event, 256> events;
  const int count = epoll_pwait2(epoll_.get(), events.data(), events.size(), &timeout, nullptr);
  if (count < 0 && errno != EINTR) {
    return system_error("cannot wait for answers");
  }
  for (int i = 0; i < count; ++i) {
    if (absl::Status status = receive(events[static_cast<size_t>(i)].data.u64); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status OpenLoop::receive(size_t which) {
  Connection& connection = connections_[which];
  std::array<char, 16384> buffer;
  const ssize_t got = recv(connection.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return absl::OkStatus();
  }
  if (got <= 0 || !connection.waits) {
    return replace(which);
  }
  switch (connection.reader.feed({buffer.data(), static_cast<size_t>(got)})) {
    case AnswerReader::State::kMore:
      return absl::OkStatus();
    case AnswerReader::State::kBroken:
      return replace(which);
    case AnswerReader::State::kDone:
      break;
  }
  last_answer_ = now_ns();
  result_.latency.record(static_cast<uint64_t>(last_answer_ - connection.intended));
  if (connection.reader.status() / 100 != 2) {
    ++result_.not_2xx;
  }
  ++answered_;
  connection.waits = false;
  connection.reader.clear();
  free_.push_back(which);
  return absl::OkStatus();
}

// Puts a new connection in place of one that failed. Its request has failed with it.
absl::Status OpenLoop::replace(size_t which) {
  Connection& connection = connections_[which];
  if (connection.waits) {
    ++result_.errors;
    ++answered_;
  } else {
    std::erase(free_, which);
  }
  connection.socket = Descriptor();
  return open(which);
}

void OpenLoop::finish(int64_t now) {
  for (const Connection& connection : connections_) {
    if (connection.waits) {
      result_.latency.record(static_cast<uint64_t>(now - connection.intended));
    }
  }
  for (uint64_t request = sent_; request < total_; ++request) {
    result_.latency.record(static_cast<uint64_t>(std::max<int64_t>(now - time_of(request), 0)));
  }
  result_.requests = total_;
  result_.unanswered = total_ - answered_;
  const int64_t last = result_.unanswered > 0 ? now : last_answer_;
  result_.seconds =
      std::max(options_.seconds, static_cast<double>(last - start_) / static_cast<double>(kSecond));
}

absl::StatusOr<OpenLoopResult> OpenLoop::run() {
  // Else the kernel may wake this thread up to 50 us late on purpose.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  epoll_ = Descriptor(epoll_create1(EPOLL_CLOEXEC));
  if (epoll_.get() < 0) {
    return system_error("cannot make an epoll instance");
  }
  for (size_t which = 0; which < connections_.size(); ++which) {
    if (absl::Status status = open(which); !status.ok()) {
      return status;
    }
  }
  start_ = now_ns() + kSecond / 1000;
  last_answer_ = start_;
  const int64_t end =
      time_of(total_) + static_cast<int64_t>(options_.drain_seconds * static_cast<double>(kSecond));
  int64_t now = now_ns();
  while (answered_ < total_ && now < end) {
    if (absl::Status status = send_due(now); !status.ok()) {
      return status;
    }
    if (absl::Status status = wait(now, end); !status.ok()) {
      return status;
    }
    now = now_ns();
  }
  finish(now);
  return std::move(result_);
}

}  // namespace

absl::StatusOr<OpenLoopResult> run_open_loop(const OpenLoopOptions& options) {
  return OpenLoop(options).run();
}

}  // namespace quota::load
