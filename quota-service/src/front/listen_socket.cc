#include "front/listen_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quota::front {
namespace {

std::string why() { return std::strerror(errno); }

bool somebody_listens(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return true;
  const int rc = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  // A full backlog (EAGAIN) is somebody's, too.
  const bool listens = rc == 0 || errno != ECONNREFUSED;
  close(fd);
  return listens;
}

}  // namespace

absl::StatusOr<ListenSocket> ListenSocket::claim(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen: the socket path \"", path, "\" must have 1 to ",
                     sizeof address.sun_path - 1, " bytes; choose a shorter directory"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());

  const std::string lock_path = absl::StrCat(path, ".lock");
  const int lock = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("listen: cannot create ", lock_path, ": ", why(),
                     "; create the directory and let quotad write there"));
  }
  ListenSocket claimed(path, lock);
  const auto busy = [&] {
    return absl::FailedPreconditionError(absl::StrCat("listen: another process already listens on ",
                                                      path, "; stop it or choose another path"));
  };
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) return busy();

  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return claimed;
    return absl::FailedPreconditionError(
        absl::StrCat("listen: cannot look at ", path, ": ", why()));
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("listen: ", path,
                     " exists and is not a socket; remove it or choose another "
                     "path"));
  }
  if (somebody_listens(address)) return busy();
  if (unlink(path.c_str()) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("listen: cannot remove the stale socket ", path, ": ", why()));
  }
  return claimed;
}

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

ListenSocket::~ListenSocket() {
  // The lock file stays: removing it would let two newcomers lock two different files.
  if (lock_ >= 0) close(lock_);
}

void ListenSocket::remove() const {
  if (lock_ >= 0) unlink(path_.c_str());
}

absl::Status ListenSocket::open_to(const std::string& mode, const std::string& group) const {
  if (!group.empty()) {
    errno = 0;
    const struct group* entry = getgrnam(group.c_str());
    if (entry == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("socket_group: there is no group \"", group, "\" on this machine"));
    }
    if (chown(path_.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("socket_group: cannot give ", path_, " to group \"", group, "\": ", why()));
    }
  }
  if (chmod(path_.c_str(), static_cast<mode_t>(std::stoul(mode, nullptr, 8))) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("socket_mode: cannot change the mode of ", path_, ": ", why()));
  }
  return absl::OkStatus();
}

}  // namespace quota::front
