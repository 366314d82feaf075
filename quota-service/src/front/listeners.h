#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "front/listen_socket.h"

namespace quota::front {

struct ListenOptions {
  std::string unix_path = {};  // or, when empty, TCP
  std::string host = {};
  int port = 0;
  std::string socket_mode = "0660";
  std::string socket_group = {};
};

// The sockets that quotad listens on: one at a path, or one for each address of a host.
class Listeners {
 public:
  static absl::StatusOr<Listeners> open(const ListenOptions& options);
  ~Listeners();
  Listeners(Listeners&&) noexcept = default;
  Listeners& operator=(Listeners&&) = delete;

  std::vector<Fd> take() { return std::move(sockets_); }
  int port() const { return port_; }  // the one chosen, when 0 was asked for

 private:
  Listeners() = default;
  absl::Status open_unix(const ListenOptions& options);
  absl::Status open_tcp(const ListenOptions& options);

  std::vector<Fd> sockets_;
  std::optional<ListenSocket> path_;
  int port_ = 0;
};

}  // namespace quota::front
