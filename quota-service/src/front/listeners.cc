#include "front/listeners.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quota::front {
namespace {

std::string tcp_address(const ListenOptions& options) {
  const bool is_v6 = options.host.find(':') != std::string::npos;
  return is_v6 ? absl::StrCat("[", options.host, "]:", options.port)
               : absl::StrCat(options.host, ":", options.port);
}

absl::Status cannot(const std::string& where, const std::string& why, const char* cure) {
  return absl::FailedPreconditionError(
      absl::StrCat("listen: cannot listen on ", where, ": ", why, "; ", cure));
}

void set_port(sockaddr* address, int port) {
  const auto in_order = htons(static_cast<uint16_t>(port));
  if (address->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = in_order;
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = in_order;
  }
}

int port_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

absl::StatusOr<Listeners> Listeners::open(const ListenOptions& options) {
  Listeners self;
  absl::Status status =
      options.unix_path.empty() ? self.open_tcp(options) : self.open_unix(options);
  if (!status.ok()) return status;
  return self;
}

Listeners::~Listeners() {
  // While the lock is still held: what lies at the path is ours.
  if (path_) path_->remove();
}

absl::Status Listeners::open_unix(const ListenOptions& options) {
  auto claimed = ListenSocket::claim(options.unix_path);
  if (!claimed.ok()) return claimed.status();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, options.unix_path.data(), options.unix_path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // Nobody may connect before open_to() has said who may.
  const mode_t old_mask = umask(0177);
  const bool bound =
      socket && bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  const int error = errno;
  umask(old_mask);
  if (!bound) {
    return cannot(options.unix_path, std::strerror(error), "let quotad write in its directory");
  }
  path_.emplace(*std::move(claimed));
  if (absl::Status status = path_->open_to(options.socket_mode, options.socket_group);
      !status.ok()) {
    return status;
  }
  if (listen(socket.get(), SOMAXCONN) != 0) {
    return cannot(options.unix_path, std::strerror(errno), "choose another path");
  }
  sockets_.push_back(std::move(socket));
  return absl::OkStatus();
}

absl::Status Listeners::open_tcp(const ListenOptions& options) {
  const std::string where = tcp_address(options);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(options.host.c_str(), nullptr, &hints, &found); error != 0) {
    return cannot(where, gai_strerror(error), "name an address of this machine");
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  port_ = options.port;
  int error = 0;
  for (addrinfo* each = found; each != nullptr; each = each->ai_next) {
    set_port(each->ai_addr, port_);
    Fd socket(::socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (socket) setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (socket && bind(socket.get(), each->ai_addr, each->ai_addrlen) == 0 &&
        listen(socket.get(), SOMAXCONN) == 0) {
      port_ = port_of(socket.get());
      sockets_.push_back(std::move(socket));
      continue;
    }
    error = errno;
    if (error == EADDRINUSE) break;
    // A name may have addresses of a family that this machine lacks.
  }
  if (sockets_.empty() || error == EADDRINUSE) {
    return cannot(where, std::strerror(error),
                  "stop what listens there, or choose another address");
  }
  return absl::OkStatus();
}

}  // namespace quota::front
