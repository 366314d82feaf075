#include "policy/read_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace quota::policy {
namespace {

absl::Status system_error(int error) {
  return {absl::ErrnoToStatusCode(error), std::strerror(error)};
}

}  // namespace

absl::StatusOr<std::string> read_file(const std::string& path, size_t most) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return system_error(errno);
  std::string content;
  char chunk[16 << 10];
  int error = 0;
  while (content.size() <= most) {
    const ssize_t got = read(file, chunk, std::min(sizeof chunk, most + 1 - content.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    content.append(chunk, static_cast<size_t>(got));
  }
  close(file);
  if (error != 0) return system_error(error);
  return content;
}

}  // namespace quota::policy
