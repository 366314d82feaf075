#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace quota::cli {

std::string progress_line(const std::string& what, uint64_t done, uint64_t total) {
  constexpr size_t kWidth = 20;
  if (total == 0) return fmt::format("{}: {}", what, done);
  const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  std::string bar(static_cast<size_t>(part * kWidth), '#');
  bar.resize(kWidth, ' ');
  return fmt::format("[{}] {:3} %  {}", bar, static_cast<int>(part * 100), what);
}

Progress::Progress(std::string what, uint64_t total)
    : what_(std::move(what)),
      total_(total),
      is_seen_(isatty(STDERR_FILENO) == 1),
      next_(Clock::now() + std::chrono::seconds(1)) {}

Progress::~Progress() {
  if (is_shown_) std::fputs("\r\x1b[K", stderr);
}

void Progress::at(uint64_t done) {
  if (!is_seen_) return;
  const auto now = Clock::now();
  if (now < next_) return;
  next_ = now + std::chrono::milliseconds(200);
  is_shown_ = true;
  fmt::print(stderr, "\r\x1b[K{}", progress_line(what_, done, total_));
  std::fflush(stderr);
}

}  // namespace quota::cli
