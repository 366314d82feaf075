#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/store.h"
#include "store/sqlite.h"

namespace quota::store {

// The durable high-water mark of each subject and month. A caller wraps its calls in a transaction,
// and believes a grant only once that is committed.
class MonthTable {
 public:
  explicit MonthTable(Database& database);

  // Moves the mark so far that the request may be spent. A mark is never lowered by this.
  absl::StatusOr<engine::Grant> reserve(const engine::Reserve& request);
  absl::Status settle(const engine::MonthKey& month, int64_t used);
  absl::Status spend(const engine::MonthKey& month, int64_t amount);
  // 0 when the month is not known.
  absl::StatusOr<int64_t> mark(const engine::MonthKey& month);

  // Deletes some of the months that began before `period`. True while there may be more of them.
  absl::StatusOr<bool> forget_some(int32_t period);

 private:
  absl::StatusOr<int64_t> find(const std::string& subject, int32_t period);

  Statement find_;
  Statement write_;
  Statement find_old_;
  Statement delete_;
};

}  // namespace quota::store
