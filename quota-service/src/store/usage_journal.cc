#include "store/usage_journal.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quota::store {
namespace {

constexpr const char* kTable = R"sql(
CREATE TABLE IF NOT EXISTS usage_journal(
  holder TEXT NOT NULL, shard INTEGER NOT NULL, number INTEGER NOT NULL,
  consumer TEXT NOT NULL, endpoint TEXT NOT NULL, day INTEGER NOT NULL,
  requests INTEGER NOT NULL, cost_milli INTEGER NOT NULL, denials INTEGER NOT NULL,
  made_unix_us INTEGER NOT NULL,
  PRIMARY KEY(holder, shard, number, consumer, endpoint, day)) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kSelect = R"sql(
SELECT holder, shard, number, consumer, endpoint, day, requests, cost_milli, denials, made_unix_us
FROM usage_journal ORDER BY holder, shard, number, consumer, endpoint, day
)sql";
constexpr const char* kInsert = R"sql(
INSERT INTO usage_journal(holder, shard, number, consumer, endpoint, day, requests, cost_milli,
                          denials, made_unix_us) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET requests = excluded.requests, cost_milli = excluded.cost_milli,
                          denials = excluded.denials
)sql";
constexpr const char* kDelete =
    "DELETE FROM usage_journal WHERE holder = ? AND shard = ? AND number = ?";

}  // namespace

UsageJournal::UsageJournal(std::unique_ptr<StateFile> file)
    : file_(std::move(file)),
      select_(file_->database(), kSelect),
      insert_(file_->database(), kInsert),
      delete_(file_->database(), kDelete) {}

absl::StatusOr<std::unique_ptr<UsageJournal>> UsageJournal::open(const std::string& path) {
  absl::StatusOr<std::unique_ptr<StateFile>> file = StateFile::open(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->database().execute(kTable); !status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("cannot keep a journal in ", path, ": ", status.message()));
  }
  return std::unique_ptr<UsageJournal>(new UsageJournal(*std::move(file)));
}

absl::StatusOr<std::vector<UsageJournal::Found>> UsageJournal::load() {
  std::vector<Found> found;
  const absl::Status status = select_.each([&](const Row& row) {
    Place place{.holder = row.text(0),
                .shard = static_cast<int>(row.integer(1)),
                .number = static_cast<uint64_t>(row.integer(2))};
    const bool is_next = found.empty() || found.back().place.holder != place.holder ||
                         found.back().place.shard != place.shard ||
                         found.back().place.number != place.number;
    if (is_next) {
      found.push_back({.place = std::move(place), .batch = {}});
      found.back().batch.number = found.back().place.number;
      found.back().batch.made_unix_us = row.integer(9);
    }
    found.back().batch.entries.push_back(
        {.key = {.consumer = row.text(3),
                 .endpoint = row.text(4),
                 .day = static_cast<int32_t>(row.integer(5))},
         .amount = {.requests = static_cast<uint64_t>(row.integer(6)),
                    .denials = static_cast<uint64_t>(row.integer(8)),
                    .cost_milli = static_cast<uint64_t>(row.integer(7))}});
  });
  if (!status.ok()) return status;
  return found;
}

absl::Status UsageJournal::save(const std::vector<Place>& erased,
                                const std::vector<Written>& written) {
  return file_->database().transact([&] {
    for (const Place& place : erased) {
      absl::Status status =
          delete_.run(place.holder, int64_t{place.shard}, static_cast<int64_t>(place.number));
      if (!status.ok()) return status;
    }
    for (const auto& [place, batch] : written) {
      for (const auto& [key, amount] : batch->entries) {
        absl::Status status = insert_.run(
            place.holder, int64_t{place.shard}, static_cast<int64_t>(place.number), key.consumer,
            key.endpoint, int64_t{key.day}, static_cast<int64_t>(amount.requests),
            static_cast<int64_t>(amount.cost_milli), static_cast<int64_t>(amount.denials),
            batch->made_unix_us);
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  });
}

}  // namespace quota::store
