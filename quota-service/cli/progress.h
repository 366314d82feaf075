#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace quota::cli {

// A line on standard error that says how far long work is. Only where a person looks on, and only
// once the work has taken a second; it is gone when the work is done.
class Progress {
 public:
  // `total` 0: not known.
  Progress(std::string what, uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void at(uint64_t done);

 private:
  using Clock = std::chrono::steady_clock;

  const std::string what_;
  const uint64_t total_;
  const bool is_seen_;
  Clock::time_point next_;
  bool is_shown_ = false;
};

// "[#######             ]  35 %  Reading traffic.csv"
std::string progress_line(const std::string& what, uint64_t done, uint64_t total);

}  // namespace quota::cli
