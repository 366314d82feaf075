#include "front/reception.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "front/visitor.h"

namespace quota::front {
namespace {

// How long nobody is let in when there is no descriptor left for one more.
constexpr auto kRecess = std::chrono::milliseconds(100);

bool is_tcp(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  return getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
         address.ss_family != AF_UNIX;
}

}  // namespace

Reception::Reception(std::vector<Fd> listeners, HandOver gateway, HandOver other,
                     ReceptionOptions options)
    : gateway_(std::move(gateway)),
      other_(std::move(other)),
      options_(options),
      bell_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  works_ = poller_.works() && bell_fd_ && poller_.watch(bell_fd_.get(), EPOLLIN, bell_);
  for (Fd& listener : listeners) {
    Door& door = doors_.emplace_back(*this, std::move(listener));
    works_ = works_ && poller_.watch(door.fd(), EPOLLIN, door);
  }
}

Reception::~Reception() = default;

void Reception::run() {
  while (!stopped_) poller_.wait(tidy());
}

void Reception::stop() {
  stopped_ = true;
  const uint64_t one = 1;
  (void)!write(bell_fd_.get(), &one, sizeof one);
}

void Reception::accept_from(int listener) {
  while (true) {
    Fd socket(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // Whoever knocks stays in the kernel's queue; to ask at once again would be a busy loop.
        closed_until_ = Clock::now() + kRecess;
        is_closed_ = true;
        open_doors(0);
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    if (is_tcp(socket.get())) {
      const int on = 1;
      setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (waiting_.size() == options_.most_waiting) show_out(waiting_.front());
    const auto guest = waiting_.emplace(waiting_.end(), *this, std::move(socket),
                                        Clock::now() + options_.patience);
    guest->self_ = guest;
    // Edge-triggered, because what has been looked at stays in the socket. It is asked at once,
    // too: most have said who they are by now.
    if (!poller_.watch(guest->socket_.get(), EPOLLIN | EPOLLRDHUP | EPOLLET, *guest)) {
      show_out(*guest);
    } else {
      ask(*guest);
    }
  }
}

void Reception::ask(Guest& guest) {
  std::array<char, kVisitorBytes> begin;
  const ssize_t size = recv(guest.socket_.get(), begin.data(), begin.size(), MSG_PEEK);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return show_out(guest);
  const Visitor visitor = recognize({begin.data(), static_cast<size_t>(size)});
  if (visitor == Visitor::kUnknownYet) return;
  poller_.forget(guest.socket_.get(), guest);
  (visitor == Visitor::kGateway ? gateway_ : other_)(std::move(guest.socket_));
  waiting_.erase(guest.self_);
}

void Reception::show_out(Guest& guest) {
  poller_.forget(guest.socket_.get(), guest);
  waiting_.erase(guest.self_);
}

void Reception::open_doors(uint32_t events) {
  for (Door& door : doors_) poller_.change(door.fd(), events, door);
}

// Returns how long there is nothing to do, in milliseconds.
int Reception::tidy() {
  const auto now = Clock::now();
  while (!waiting_.empty() && waiting_.front().until_ <= now) show_out(waiting_.front());
  if (is_closed_ && closed_until_ <= now) {
    is_closed_ = false;
    open_doors(EPOLLIN);
  }
  auto next = Clock::time_point::max();
  if (!waiting_.empty()) next = waiting_.front().until_;
  if (is_closed_) next = std::min(next, closed_until_);
  if (next == Clock::time_point::max()) return -1;
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(next - now).count());
}

}  // namespace quota::front
