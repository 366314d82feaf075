#include "policy/watcher.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/sha256.h"
#include "policy/read_file.h"
#include "policy/yaml_tree.h"

namespace quota::policy {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// One notice seldom comes alone; this long the others are waited for.
constexpr milliseconds kGather{20};
// How long content must stay the same before it counts.
constexpr milliseconds kSettle{30};
constexpr int kShortestPoll = 10;

constexpr uint32_t kInteresting = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF |
                                  IN_ONLYDIR;

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() { reset(); }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

int new_eventfd() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

}  // namespace

class Watcher::Impl {
 public:
  Impl(std::string path, int poll_ms, std::function<void()> changed, Notices notices)
      : path_(std::move(path)),
        directory_(std::filesystem::path(path_).parent_path()),
        poll_(std::max(poll_ms, kShortestPoll)),
        changed_(std::move(changed)),
        inotify_(notices == Notices::kOn ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -1) {
    if (directory_.empty()) directory_ = ".";
    if (notices == Notices::kOn && inotify_.get() < 0) give_up_notices(errno);
    watch_directory();
    reported_ = settled_ = read();
    thread_ = std::thread([this] { run(); });
  }

  ~Impl() {
    const uint64_t one = 1;
    // A counter that nobody else writes to cannot be full.
    [[maybe_unused]] const ssize_t written = write(stop_.get(), &one, sizeof one);
    thread_.join();
  }

  uint64_t readings() const { return readings_.load(std::memory_order_relaxed); }

 private:
  void run() {
    next_look_ = Clock::now() + poll_;
    while (true) {
      pollfd fds[] = {{stop_.get(), POLLIN, 0}, {inotify_.get(), POLLIN, 0}};
      const auto wait = std::chrono::ceil<milliseconds>(next_look_ - Clock::now());
      const int ready = poll(fds, 2, static_cast<int>(std::max(wait, milliseconds(0)).count()));
      if (fds[0].revents != 0) return;
      if (ready > 0 && fds[1].revents != 0) {
        drain_notices();
        if (!unsettled_) next_look_ = std::min(next_look_, Clock::now() + kGather);
      }
      if (Clock::now() >= next_look_) look();
    }
  }

  void look() {
    watch_directory();
    const std::optional<Sha256> content = read();
    next_look_ = Clock::now() + poll_;
    if (content == settled_) {
      unsettled_.reset();
    } else if (!unsettled_ || *unsettled_ != content) {
      unsettled_.emplace(content);
      next_look_ = Clock::now() + kSettle;
    } else {
      settle(content);
    }
  }

  void settle(const std::optional<Sha256>& content) {
    settled_ = content;
    unsettled_.reset();
    if (!content) {
      spdlog::warn("{}: the file is gone or empty; what it held stays in force", path_);
    } else if (content != reported_) {
      reported_ = content;
      changed_();
    }
  }

  // Follows the name: the directory may be another one by now. Adding a watch that exists gives the
  // same number and costs nothing worth saving.
  void watch_directory() {
    if (inotify_.get() < 0) return;
    const int watch = inotify_add_watch(inotify_.get(), directory_.c_str(), kInteresting);
    if (watch < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
      give_up_notices(errno);
      return;
    }
    if (watch_ >= 0 && watch_ != watch) inotify_rm_watch(inotify_.get(), watch_);
    watch_ = watch;
  }

  // What the notices say does not matter; the content is looked at in any case.
  void drain_notices() {
    alignas(inotify_event) char events[4096];
    while (true) {
      const ssize_t got = ::read(inotify_.get(), events, sizeof events);
      if (got > 0 || (got < 0 && errno == EINTR)) continue;
      if (got < 0 && errno != EAGAIN) give_up_notices(errno);
      return;
    }
  }

  void give_up_notices(int error) {
    spdlog::warn("{}: no notices of changes ({}); the file is read every {} ms instead", path_,
                 std::strerror(error), poll_.count());
    inotify_.reset();
    watch_ = -1;
  }

  std::optional<Sha256> read() {
    readings_.fetch_add(1, std::memory_order_relaxed);
    const auto content = read_file(path_, kMaxPolicyBytes);
    if (!content.ok() || content->empty()) return std::nullopt;
    return sha256(*content);
  }

  const std::string path_;
  std::filesystem::path directory_;
  const milliseconds poll_;
  const std::function<void()> changed_;

  FileDescriptor stop_{new_eventfd()};
  FileDescriptor inotify_;
  int watch_ = -1;

  // Content is nothing when there is no file, or an empty one.
  std::optional<Sha256> reported_;                  // what `changed` was last called for
  std::optional<Sha256> settled_;                   // what two readings agreed on
  std::optional<std::optional<Sha256>> unsettled_;  // what one reading saw and settled_ is not
  Clock::time_point next_look_;
  std::atomic<uint64_t> readings_{0};
  std::thread thread_;
};

Watcher::Watcher(std::string path, int poll_ms, std::function<void()> changed, Notices notices)
    : impl_(std::make_unique<Impl>(std::move(path), poll_ms, std::move(changed), notices)) {}

Watcher::~Watcher() = default;

uint64_t Watcher::readings() const { return impl_->readings(); }

}  // namespace quota::policy
