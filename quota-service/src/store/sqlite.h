#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

// As much of SQLite as the store needs, with errors as values. Nothing here locks: a Database and
// its Statements belong to one thread at a time.
namespace quota::store {

class Database {
 public:
  // Opens an existing file (an empty one will do) for reading and writing.
  static absl::StatusOr<Database> open(const std::string& path);
  ~Database();
  Database(Database&& other) noexcept;
  Database& operator=(Database&&) = delete;

  // Runs one or more statements and drops what they return.
  absl::Status execute(const char* sql);
  // The first column of the first row.
  absl::StatusOr<std::string> text(const char* sql);
  absl::StatusOr<int64_t> integer(const char* sql);

  // Runs `body` in a transaction that may write: all of it happens, or on any error nothing.
  // What is committed survives the death of the process at any moment; a loss of power may cost the
  // newest transactions, unless made with transact_synced, which waits for the disk.
  absl::Status transact(absl::FunctionRef<absl::Status()> body);
  absl::Status transact_synced(absl::FunctionRef<absl::Status()> body);

  // How many rows the last statement inserted, changed or deleted.
  int64_t changes() const { return sqlite3_changes64(handle_); }
  // The newest failure in SQLite's words, with the system's where there are any.
  absl::Status error() const;
  sqlite3* handle() const { return handle_; }

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}

  sqlite3* handle_;
};

// One row of a result, while Statement::each shows it.
class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}

  int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::optional<int64_t> optional_integer(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  sqlite3_stmt* statement_;
};

// A prepared statement, compiled at its first use. Parameters are bound in the order in which they
// are given, and need to live only as long as the call. The database must outlive it.
class Statement {
 public:
  Statement(Database& database, const char* sql) : database_(database), sql_(sql) {}
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  template <typename... Parameters>
  absl::Status each(absl::FunctionRef<void(const Row&)> visit, const Parameters&... parameters) {
    if (absl::Status status = prepare(); !status.ok()) return status;
    int index = 0;
    const bool bound = (... && bind(++index, parameters));
    return bound ? run_to_end(visit) : fail();
  }

  template <typename... Parameters>
  absl::Status run(const Parameters&... parameters) {
    return each([](const Row&) {}, parameters...);
  }

 private:
  absl::Status prepare();
  bool bind(int index, int64_t value);
  bool bind(int index, std::string_view value);
  bool bind(int index, const std::optional<int64_t>& value);
  absl::Status run_to_end(absl::FunctionRef<void(const Row&)> visit);
  absl::Status fail();

  Database& database_;
  const char* sql_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace quota::store
