#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/mode_store.h"
#include "store/sqlite.h"

namespace quota::store {

// The override of the mode: one row. A change is on the disk when a call returns.
class ModeTable {
 public:
  explicit ModeTable(Database& database);

  absl::StatusOr<ModeRecord> get();
  absl::Status put(const ModeRecord& record);

 private:
  Database& database_;
  Statement select_;
  Statement write_;
};

}  // namespace quota::store
