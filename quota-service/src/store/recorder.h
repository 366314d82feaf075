#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/time.h"
#include "engine/store.h"
#include "store/month_table.h"
#include "store/requests.h"
#include "store/state_file.h"

namespace quota::store {

using Request = std::variant<engine::Reserve, Settle, Spend>;

// Writes months in batches and knows what to do when writing fails: it refuses to grant, keeps what
// was settled, and tries again no more often than every `retry_us`. It has no thread and reads no
// clock.
class Recorder {
 public:
  static constexpr int64_t kRetryUs = 250'000;

  explicit Recorder(StateFile& file, int64_t retry_us = kRetryUs);

  // Carries out `requests` in one transaction, those of one month in their order, and returns a
  // grant for each Reserve. They are durable, or not ok.
  std::vector<engine::Grant> carry_out(std::span<const Request> requests, Now now);

  // Chores: tries to write again where that has failed, forgets months that are too old. Returns
  // after how long it wants to be called again when nothing else happens.
  int64_t tend(Now now);

  // The last attempt to write what could not be written.
  absl::Status flush(Now now);

  absl::StatusOr<int64_t> mark(const engine::MonthKey& month) { return months_.mark(month); }
  bool healthy() const { return healthy_; }

  struct Stats {
    uint64_t batches = 0;
    uint64_t reserves = 0;
    uint64_t settles = 0;
    uint64_t refused = 0;    // reserves that were answered without the file
    uint64_t failures = 0;   // transactions that could not be written
    uint64_t unwritten = 0;  // months whose settling waits until writing works again
  };
  const Stats& stats() const { return stats_; }

 private:
  absl::Status write(std::span<const Request> requests, std::vector<engine::Grant>& grants);
  void refuse(std::span<const Request> requests, std::vector<engine::Grant>& grants);
  absl::Status write_unwritten();
  void try_again(Now now);
  bool forget_old(Now now);
  void failed(const absl::Status& status, Now now);

  StateFile& file_;
  MonthTable months_;
  Statement fill_room_;
  Statement empty_room_;
  const int64_t retry_us_;

  bool healthy_ = true;
  int64_t failed_at_us_ = 0;
  int64_t retry_at_us_ = 0;
  int64_t forget_at_us_ = 0;  // 0: not decided yet
  // What one month came to while nothing could be written: a settled count, or none, and what was
  // spent on top of it.
  struct Unwritten {
    std::optional<int64_t> used;
    int64_t more = 0;
  };
  // One entry per month, so its size is bounded by the subjects in memory.
  std::map<std::pair<std::string, int32_t>, Unwritten> unwritten_;
  Stats stats_;
};

}  // namespace quota::store
