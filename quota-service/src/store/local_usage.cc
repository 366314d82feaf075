#include "store/local_usage.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace quota::store {
namespace {

using usage::Month;

// In the order in which it is read; a month that is too old lies together.
constexpr const char* kTable = R"sql(
CREATE TABLE IF NOT EXISTS usage(
  month INTEGER NOT NULL, consumer TEXT NOT NULL, endpoint TEXT NOT NULL, day INTEGER NOT NULL,
  requests INTEGER NOT NULL, cost_milli INTEGER NOT NULL, denials INTEGER NOT NULL,
  PRIMARY KEY(month, consumer, endpoint, day)) STRICT, WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS usage_for_people AS
  SELECT date(day * 86400, 'unixepoch') AS day, consumer, endpoint, requests,
         cost_milli / 1000.0 AS cost, denials FROM usage;
SELECT month, consumer, endpoint, day, requests, cost_milli, denials FROM usage LIMIT 0;
)sql";

// usage::kMostCounted. A sum that does not fit into an integer is a larger number still.
constexpr const char* kInsert = R"sql(
INSERT INTO usage(month, consumer, endpoint, day, requests, cost_milli, denials)
VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  requests = min(requests + excluded.requests, 9007199254740991),
  cost_milli = min(cost_milli + excluded.cost_milli, 9007199254740991),
  denials = min(denials + excluded.denials, 9007199254740991)
)sql";

// The consumer with which a page ends. Month, from, up to, entries.
constexpr const char* kLastOfMonths = R"sql(
SELECT max(consumer) FROM (SELECT consumer FROM usage
  WHERE month = ? AND consumer >= ? GROUP BY consumer, endpoint ORDER BY consumer, endpoint LIMIT ?)
)sql";
constexpr const char* kLastOfDays = R"sql(
SELECT max(consumer) FROM (SELECT consumer FROM usage
  WHERE month = ? AND consumer >= ? ORDER BY consumer, endpoint, day LIMIT ?)
)sql";

constexpr const char* kMonths = R"sql(
SELECT consumer, endpoint, 0, sum(requests), sum(cost_milli), sum(denials) FROM usage
WHERE month = ? AND consumer >= ? AND consumer <= ?
GROUP BY consumer, endpoint ORDER BY consumer, endpoint
)sql";
constexpr const char* kDays = R"sql(
SELECT consumer, endpoint, day, requests, cost_milli, denials FROM usage
WHERE month = ? AND consumer >= ? AND consumer <= ? ORDER BY consumer, endpoint, day
)sql";
constexpr const char* kNext =
    "SELECT 1 FROM usage WHERE month = ? AND consumer > ? ORDER BY consumer LIMIT 1";

}  // namespace

LocalUsage::LocalUsage(std::unique_ptr<StateFile> file)
    : file_(std::move(file)),
      insert_(file_->database(), kInsert),
      forget_(file_->database(), "DELETE FROM usage WHERE month < ?"),
      last_of_months_(file_->database(), kLastOfMonths),
      last_of_days_(file_->database(), kLastOfDays),
      months_(file_->database(), kMonths),
      days_(file_->database(), kDays),
      next_(file_->database(), kNext) {}

absl::StatusOr<std::unique_ptr<LocalUsage>> LocalUsage::open(const std::string& path) {
  absl::StatusOr<std::unique_ptr<StateFile>> file = StateFile::open(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->database().execute(kTable); !status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("cannot keep usage in ", path, ": ", status.message()));
  }
  return std::unique_ptr<LocalUsage>(new LocalUsage(*std::move(file)));
}

void LocalUsage::add(usage::Sums sums, int64_t unix_us, bool) {
  for (const auto& [key, amount] : sums) pending_[key] += amount;
  if (!pending_.empty()) {
    const absl::Status status = write();
    said(status);
    (status.ok() ? written_ : failed_).fetch_add(1, std::memory_order_relaxed);
    if (status.ok()) pending_.clear();
    pending_now_.store(pending_.size(), std::memory_order_relaxed);
  }
  const Month month = Month::of_day(usage::day_at(unix_us));
  if (tidied_in_ == month) return;
  if (forget(month.plus(-usage::kMonthsKept)).ok()) tidied_in_ = month;
}

absl::Status LocalUsage::write() {
  const std::lock_guard lock(mutex_);
  return file_->database().transact([&] {
    for (const auto& [key, amount] : pending_) {
      const int64_t month = Month::of_day(key.day).number();
      absl::Status status = insert_.run(month, key.consumer, key.endpoint, int64_t{key.day},
                                        static_cast<int64_t>(amount.requests),
                                        static_cast<int64_t>(amount.cost_milli),
                                        static_cast<int64_t>(amount.denials));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

absl::Status LocalUsage::forget(Month before) {
  const std::lock_guard lock(mutex_);
  return forget_.run(int64_t{before.number()});
}

void LocalUsage::said(const absl::Status& status) {
  if (status.ok() == works_) return;
  works_ = status.ok();
  if (works_) {
    spdlog::info("usage can be written again to {}; nothing was lost", file_->path());
  } else {
    spdlog::error("usage cannot be written to {} and is kept in memory until it can: {}",
                  file_->path(), std::string(status.message()));
  }
}

absl::StatusOr<usage::Page> LocalUsage::read(const usage::Query& query) {
  const std::lock_guard lock(mutex_);
  const int64_t month = query.month.number();
  // The least text that is greater than another is that with a zero byte behind it.
  std::string from = query.after ? *query.after + '\0' : "";
  std::string to;
  bool is_empty = false;
  if (query.consumer) {
    is_empty = *query.consumer < from;
    from = to = *query.consumer;
  } else {
    Statement& last = query.by_day ? last_of_days_ : last_of_months_;
    const absl::Status status = last.each(
        [&](const Row& row) {
          is_empty = row.is_null(0);
          to = row.text(0);
        },
        month, from, static_cast<int64_t>(query.limit));
    if (!status.ok()) return status;
  }
  usage::Page page;
  if (is_empty) return page;
  const int32_t first_day = query.month.first_day();
  absl::Status status =
      (query.by_day ? days_ : months_)
          .each(
              [&](const Row& row) {
                page.entries.push_back(
                    {.key = {.consumer = row.text(0),
                             .endpoint = row.text(1),
                             .day =
                                 query.by_day ? static_cast<int32_t>(row.integer(2)) : first_day},
                     .amount = {.requests = static_cast<uint64_t>(row.integer(3)),
                                .denials = static_cast<uint64_t>(row.integer(5)),
                                .cost_milli = static_cast<uint64_t>(row.integer(4))}});
              },
              month, from, to);
  if (!status.ok()) return status;
  if (query.consumer) return page;
  status = next_.each([&](const Row&) { page.next = to; }, month, to);
  if (!status.ok()) return status;
  return page;
}

absl::Status LocalUsage::close() {
  if (pending_.empty()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "usage could not be written to ", file_->path(), " at the stop: ", pending_.size(),
      " entries of it are lost; see the log for the reason"));
}

usage::UsageStore::Stats LocalUsage::stats() const {
  return {.written = written_, .failed = failed_, .pending = pending_now_};
}

}  // namespace quota::store
