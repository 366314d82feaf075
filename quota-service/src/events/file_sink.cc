#include "events/file_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/time.h"

namespace quota::events {
namespace {

// Of a file with something in it, which may be from a time when the disk was full.
bool ends_in_a_line(const std::string& path, off_t size) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return true;
  char last = '\n';
  const bool is_read = pread(file, &last, 1, size - 1) == 1;
  ::close(file);
  return !is_read || last == '\n';
}

}  // namespace

FileSink::~FileSink() { close(); }

void FileSink::close() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

absl::Status FileSink::open() {
  close();
  // Not blocking: a pipe that nobody reads must not hold up anything.
  file_ =
      ::open(options_.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
  struct stat info {};
  if (file_ < 0 || fstat(file_, &info) != 0) {
    const int error = errno;
    close();
    return absl::UnavailableError(
        fmt::format("events_file: cannot write to {}: {}", options_.path, std::strerror(error)));
  }
  device_ = info.st_dev;
  inode_ = info.st_ino;
  is_regular_ = S_ISREG(info.st_mode);
  size_ = is_regular_ ? info.st_size : 0;
  is_torn_ = size_ > 0 && !ends_in_a_line(options_.path, size_);
  return absl::OkStatus();
}

bool FileSink::is_replaced() const {
  struct stat info {};
  if (stat(options_.path.c_str(), &info) != 0) return errno == ENOENT;
  return info.st_dev != device_ || info.st_ino != inode_;
}

void FileSink::rotate() {
  const std::string old = options_.path + ".1";
  if (std::rename(options_.path.c_str(), old.c_str()) != 0) {
    return complain("cannot be renamed and grows on", errno);
  }
  close();
}

void FileSink::complain(std::string_view what, int error) {
  const auto left_out = log_.admit(read_clocks().mono_us);
  if (!left_out) return;
  spdlog::error("events_file: {} {}: {} ({} such lines left out)", options_.path, what,
                std::strerror(error), *left_out);
}

size_t FileSink::append(std::string_view text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t some = ::write(file_, text.data() + done, text.size() - done);
    if (some < 0 && errno == EINTR) continue;
    if (some <= 0) {
      complain("could not be written", some == 0 ? EIO : errno);
      break;
    }
    done += static_cast<size_t>(some);
  }
  size_ += static_cast<int64_t>(done);
  return done;
}

void FileSink::write(const std::vector<std::string>& events) {
  if (file_ >= 0 && is_regular_ && is_replaced()) close();
  if (file_ >= 0 && is_regular_ && size_ >= options_.most_bytes) rotate();
  if (file_ < 0) {
    if (const absl::Status status = open(); !status.ok()) {
      if (const auto left_out = log_.admit(read_clocks().mono_us)) {
        spdlog::error("{} ({} such lines left out)", std::string(status.message()), *left_out);
      }
      failed_ += events.size();
      return;
    }
  }
  // What was cut off when the disk was full becomes a line of its own, which readers skip.
  std::string text(is_torn_ ? 1 : 0, '\n');
  for (const std::string& event : events) text.append(event).append(1, '\n');
  const size_t done = append(text);
  if (done > 0) is_torn_ = text[done - 1] != '\n';
  size_t end = text.starts_with('\n') ? 1 : 0;
  uint64_t whole = 0;
  for (const std::string& event : events) {
    end += event.size() + 1;
    if (end > done) break;
    ++whole;
  }
  written_ += whole;
  failed_ += events.size() - whole;
}

Sink::Stats FileSink::stats() const {
  return {.written = written_.load(), .failed = failed_.load(), .dropped = 0};
}

}  // namespace quota::events
