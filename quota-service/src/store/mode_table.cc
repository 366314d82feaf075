#include "store/mode_table.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace quota::store {

ModeTable::ModeTable(Database& database)
    : database_(database),
      select_(database, "SELECT word, since_unix_ms FROM mode"),
      write_(database, "INSERT OR REPLACE INTO mode(one, word, since_unix_ms) VALUES(1, ?, ?)") {}

absl::StatusOr<ModeRecord> ModeTable::get() {
  ModeRecord record;
  bool is_broken = false;
  const absl::Status status = select_.each([&](const Row& row) {
    is_broken = !read_mode_word(row.text(0), record.mode);
    record.since_unix_ms = row.integer(1);
  });
  if (!status.ok()) return status;
  if (is_broken) {
    return absl::DataLossError(
        "the store's table mode names no mode; put enforce, shadow, off or policy there");
  }
  return record;
}

absl::Status ModeTable::put(const ModeRecord& record) {
  const absl::Status status = database_.transact_synced(
      [&] { return write_.run(mode_word(record.mode), record.since_unix_ms); });
  if (status.ok()) return status;
  return {absl::StatusCode::kUnavailable,
          absl::StrCat("cannot save the mode, so it stays as it is: ", status.message())};
}

}  // namespace quota::store
