#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "store/sqlite.h"

namespace quota::store {

// Minute buckets between a clean stop and the next start. Levels that were true a crash ago would
// give tokens twice, so buckets leave the file as they are read.
class BucketTable {
 public:
  explicit BucketTable(Database& database);

  absl::StatusOr<std::vector<engine::SavedBucket>> take();
  absl::Status replace(const std::vector<engine::SavedBucket>& buckets);

 private:
  Database& database_;
  Statement select_;
  Statement insert_;
  Statement clear_;
};

}  // namespace quota::store
