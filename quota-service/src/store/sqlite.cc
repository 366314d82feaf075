#include "store/sqlite.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quota::store {
namespace {

absl::StatusCode status_code(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::StatusOr<Database> Database::open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  if (handle == nullptr) return absl::ResourceExhaustedError("out of memory");
  Database database(handle);
  if (code != SQLITE_OK) return database.error();
  return database;
}

Database::~Database() {
  // With _v2 the order in which statements and databases are destroyed does not matter.
  sqlite3_close_v2(handle_);
}

Database::Database(Database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

absl::Status Database::error() const {
  const int code = sqlite3_extended_errcode(handle_);
  std::string message = sqlite3_errmsg(handle_);
  const int system = sqlite3_system_errno(handle_);
  const int primary = code & 0xff;
  const bool from_the_system =
      primary == SQLITE_IOERR || primary == SQLITE_FULL || primary == SQLITE_CANTOPEN;
  if (from_the_system && system != 0) absl::StrAppend(&message, " (", std::strerror(system), ")");
  return {status_code(code), message};
}

absl::Status Database::execute(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Database::text(const char* sql) {
  std::optional<std::string> result;
  Statement statement(*this, sql);
  const absl::Status status = statement.each([&](const Row& row) {
    if (!result) result = row.text(0);
  });
  if (!status.ok()) return status;
  if (!result) return absl::NotFoundError("no such row");
  return *std::move(result);
}

absl::StatusOr<int64_t> Database::integer(const char* sql) {
  std::optional<int64_t> result;
  Statement statement(*this, sql);
  const absl::Status status = statement.each([&](const Row& row) {
    if (!result) result = row.integer(0);
  });
  if (!status.ok()) return status;
  if (!result) return absl::NotFoundError("no such row");
  return *result;
}

absl::Status Database::transact(absl::FunctionRef<absl::Status()> body) {
  absl::Status status = execute("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = body();
  if (status.ok()) status = execute("COMMIT");
  // SQLite ends the transaction by itself after some errors, and after others leaves that to us.
  if (!status.ok() && sqlite3_get_autocommit(handle_) == 0) {
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  return status;
}

absl::Status Database::transact_synced(absl::FunctionRef<absl::Status()> body) {
  absl::Status status = execute("PRAGMA synchronous = FULL");
  if (!status.ok()) return status;
  status = transact(body);
  status.Update(execute("PRAGMA synchronous = NORMAL"));
  return status;
}

std::optional<int64_t> Row::optional_integer(int column) const {
  if (is_null(column)) return std::nullopt;
  return integer(column);
}

bool Row::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::string Row::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (data == nullptr) return {};
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

absl::Status Statement::prepare() {
  if (statement_ != nullptr) return absl::OkStatus();
  const int code = sqlite3_prepare_v3(database_.handle(), sql_, -1, SQLITE_PREPARE_PERSISTENT,
                                      &statement_, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : database_.error();
}

bool Statement::bind(int index, int64_t value) {
  return sqlite3_bind_int64(statement_, index, value) == SQLITE_OK;
}

bool Statement::bind(int index, std::string_view value) {
  // Not copied: the caller's string outlives run_to_end(), and the next run binds anew. An empty
  // view may have no address, and that would bind NULL.
  const char* data = value.empty() ? "" : value.data();
  return sqlite3_bind_text64(statement_, index, data, value.size(), SQLITE_STATIC, SQLITE_UTF8) ==
         SQLITE_OK;
}

bool Statement::bind(int index, const std::optional<int64_t>& value) {
  return value ? bind(index, *value) : sqlite3_bind_null(statement_, index) == SQLITE_OK;
}

absl::Status Statement::run_to_end(absl::FunctionRef<void(const Row&)> visit) {
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(statement_)) == SQLITE_ROW) visit(Row(statement_));
  if (code != SQLITE_DONE) return fail();
  sqlite3_reset(statement_);
  return absl::OkStatus();
}

absl::Status Statement::fail() {
  // Read before the reset: a reset reports the same failure but may lose the system's errno.
  absl::Status status = database_.error();
  sqlite3_reset(statement_);
  return status;
}

}  // namespace quota::store
