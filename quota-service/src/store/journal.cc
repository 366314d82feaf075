#include "store/journal.h"

#include <optional>
#include <utility>

#include "store/subject_text.h"

namespace quota::store {
namespace {

constexpr const char* kTable = R"sql(
CREATE TABLE IF NOT EXISTS journal(
  holder TEXT NOT NULL, subject TEXT NOT NULL, period INTEGER NOT NULL, used INTEGER NOT NULL,
  final INTEGER NOT NULL, PRIMARY KEY(holder, period, subject)) STRICT, WITHOUT ROWID;
)sql";

}  // namespace

Journal::Journal(std::unique_ptr<StateFile> file)
    : file_(std::move(file)),
      select_(file_->database(), "SELECT holder, subject, period, used, final FROM journal"),
      insert_(file_->database(),
              "INSERT INTO journal(holder, subject, period, used, final) VALUES(?, ?, ?, ?, ?) "
              "ON CONFLICT DO UPDATE SET used = excluded.used, final = excluded.final"),
      delete_(file_->database(),
              "DELETE FROM journal WHERE holder = ? AND subject = ? AND period = ? AND used <= ?") {
}

absl::StatusOr<std::unique_ptr<Journal>> Journal::open(const std::string& path) {
  absl::StatusOr<std::unique_ptr<StateFile>> file = StateFile::open(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->database().execute(kTable); !status.ok()) return status;
  return std::unique_ptr<Journal>(new Journal(*std::move(file)));
}

absl::StatusOr<std::vector<Journal::Entry>> Journal::load() {
  std::vector<Entry> entries;
  const absl::Status status = select_.each([&](const Row& row) {
    std::optional<std::string> subject = subject_from_text(row.text(1));
    if (!subject) return;  // somebody has edited the file
    entries.push_back({.holder = row.text(0),
                       .month = {*std::move(subject), static_cast<int32_t>(row.integer(2))},
                       .used = row.integer(3),
                       .is_final = row.integer(4) != 0});
  });
  if (!status.ok()) return status;
  return entries;
}

absl::Status Journal::write(const std::vector<Entry>& entries) {
  return file_->database().transact([&] {
    for (const Entry& entry : entries) {
      absl::Status status =
          insert_.run(entry.holder, subject_to_text(entry.month.subject),
                      int64_t{entry.month.period}, entry.used, int64_t{entry.is_final});
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

absl::Status Journal::erase(const std::vector<Entry>& entries) {
  return file_->database().transact([&] {
    for (const Entry& entry : entries) {
      absl::Status status = delete_.run(entry.holder, subject_to_text(entry.month.subject),
                                        int64_t{entry.month.period}, entry.used);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

}  // namespace quota::store
