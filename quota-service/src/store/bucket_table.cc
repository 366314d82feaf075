#include "store/bucket_table.h"

#include <optional>
#include <string>
#include <utility>

#include "store/subject_text.h"

namespace quota::store {

BucketTable::BucketTable(Database& database)
    : database_(database),
      select_(database, "SELECT subject, anonymous, minute_limit, level, unix_us FROM bucket"),
      insert_(database,
              "INSERT OR REPLACE INTO bucket(subject, anonymous, minute_limit, level, unix_us) "
              "VALUES(?, ?, ?, ?, ?)"),
      clear_(database, "DELETE FROM bucket") {}

absl::StatusOr<std::vector<engine::SavedBucket>> BucketTable::take() {
  std::vector<engine::SavedBucket> buckets;
  const absl::Status status = database_.transact_synced([&] {
    absl::Status read = select_.each([&](const Row& row) {
      std::optional<std::string> subject = subject_from_text(row.text(0));
      if (!subject) return;  // somebody has edited the file; the subject starts anew
      buckets.push_back({.subject = *std::move(subject),
                         .anonymous = row.integer(1) != 0,
                         .limit = row.integer(2),
                         .level = row.integer(3),
                         .unix_us = row.integer(4)});
    });
    return read.ok() ? clear_.run() : read;
  });
  if (!status.ok()) return status;
  return buckets;
}

absl::Status BucketTable::replace(const std::vector<engine::SavedBucket>& buckets) {
  return database_.transact_synced([&] {
    absl::Status status = clear_.run();
    for (size_t i = 0; status.ok() && i < buckets.size(); ++i) {
      const engine::SavedBucket& bucket = buckets[i];
      status = insert_.run(subject_to_text(bucket.subject), int64_t{bucket.anonymous}, bucket.limit,
                           bucket.level, bucket.unix_us);
    }
    return status;
  });
}

}  // namespace quota::store
