#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "events/sink.h"
#include "telemetry/throttle.h"

namespace quota::events {

// JSON lines at the end of a file. A file that has grown to its bound is renamed to <path>.1, in
// place of the one before; a file that somebody else has moved away is made anew.
class FileSink final : public Sink {
 public:
  struct Options {
    std::string path;
    int64_t most_bytes = 100 << 20;
  };
  explicit FileSink(Options options) : options_(std::move(options)) {}
  ~FileSink() override;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  // That the file can be written at all, before anything depends on it.
  absl::Status open();

  void write(const std::vector<std::string>& events) override;
  Stats stats() const override;

 private:
  bool is_replaced() const;
  void close();
  void rotate();
  // How many bytes of it went into the file.
  size_t append(std::string_view text);
  void complain(std::string_view what, int error);

  const Options options_;
  int file_ = -1;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool is_regular_ = false;  // not a pipe or a terminal, which have no size
  int64_t size_ = 0;
  bool is_torn_ = false;  // ends in the middle of a line
  telemetry::Throttle log_;
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> failed_{0};
};

}  // namespace quota::events
