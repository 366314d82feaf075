#include "store/month_table.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "store/subject_text.h"

namespace quota::store {
namespace {

constexpr size_t kForgetAtOnce = 500;

}  // namespace

MonthTable::MonthTable(Database& database)
    : find_(database, "SELECT mark FROM month WHERE period = ? AND subject = ?"),
      write_(database,
             "INSERT INTO month(period, subject, mark) VALUES(?, ?, ?) "
             "ON CONFLICT DO UPDATE SET mark = excluded.mark"),
      find_old_(database, "SELECT period, subject FROM month WHERE period < ? LIMIT ?"),
      delete_(database, "DELETE FROM month WHERE period = ? AND subject = ?") {}

absl::StatusOr<engine::Grant> MonthTable::reserve(const engine::Reserve& request) {
  const std::string subject = subject_to_text(request.month.subject);
  const absl::StatusOr<int64_t> existing = find(subject, request.month.period);
  if (!existing.ok()) return existing.status();

  // Nobody knows how much of an old mark was spent before a crash, so all of it counts as spent.
  const int64_t used = request.used >= 0 ? request.used : *existing;
  const int64_t more = engine::grant_size(request.limit, used, request.cost, request.demand);
  const int64_t mark = std::max(*existing, used + more);
  if (mark != *existing) {
    const absl::Status status = write_.run(request.month.period, subject, mark);
    if (!status.ok()) return status;
  }
  // The mark may lie above a limit that has been lowered since; what is granted never does.
  const int64_t granted = std::min(mark, std::max(used, request.limit));
  return engine::Grant{
      .month = request.month, .used = used, .mark = granted, .ok = true, .seq = request.seq};
}

absl::Status MonthTable::settle(const engine::MonthKey& month, int64_t used) {
  return write_.run(month.period, subject_to_text(month.subject), used);
}

absl::Status MonthTable::spend(const engine::MonthKey& month, int64_t amount) {
  const absl::StatusOr<int64_t> before = mark(month);
  return before.ok() ? settle(month, *before + amount) : before.status();
}

absl::StatusOr<int64_t> MonthTable::mark(const engine::MonthKey& month) {
  return find(subject_to_text(month.subject), month.period);
}

absl::StatusOr<bool> MonthTable::forget_some(int32_t period) {
  // One by one: SQLite would carry out a DELETE … LIMIT by looking through the whole period.
  std::vector<std::pair<int64_t, std::string>> old;
  absl::Status status =
      find_old_.each([&](const Row& row) { old.emplace_back(row.integer(0), row.text(1)); }, period,
                     int64_t{kForgetAtOnce});
  for (const auto& [began, subject] : old) {
    if (status.ok()) status = delete_.run(began, subject);
  }
  if (!status.ok()) return status;
  return old.size() == kForgetAtOnce;
}

absl::StatusOr<int64_t> MonthTable::find(const std::string& subject, int32_t period) {
  int64_t mark = 0;
  const absl::Status status =
      find_.each([&](const Row& row) { mark = row.integer(0); }, period, subject);
  if (!status.ok()) return status;
  return mark;
}

}  // namespace quota::store
