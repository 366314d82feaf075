#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quota::front {

// The right to listen on a unix socket path. A socket file that a dead process left is taken over;
// a path where somebody listens, or which is no socket, is refused.
class ListenSocket {
 public:
  static absl::StatusOr<ListenSocket> claim(const std::string& path);
  ~ListenSocket();
  ListenSocket(ListenSocket&& other) noexcept;
  ListenSocket& operator=(ListenSocket&&) = delete;

  // Once the socket exists: who may connect. `mode` in octal, `group` a name or empty.
  absl::Status open_to(const std::string& mode, const std::string& group) const;
  // When nobody listens there any more.
  void remove() const;

 private:
  ListenSocket(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  int lock_ = -1;  // two quotads that start at once must not both find the path free
};

}  // namespace quota::front
