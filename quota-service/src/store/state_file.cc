#include "store/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace quota::store {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kApplicationId = 0x51676174;  // "Qgat"
constexpr int64_t kVersion = 1;
constexpr char kMagic[] = "SQLite format 3";  // the zero at its end is part of it

// Amounts are milli-units. Months are ordered by period first, so that those which are too old lie
// together; `room` is empty except while a full disk is probed.
constexpr const char* kSchema = R"sql(
CREATE TABLE month(
  subject TEXT NOT NULL, period INTEGER NOT NULL, mark INTEGER NOT NULL,
  PRIMARY KEY(period, subject)) STRICT, WITHOUT ROWID;
CREATE TABLE bucket(
  subject TEXT NOT NULL PRIMARY KEY, anonymous INTEGER NOT NULL, minute_limit INTEGER NOT NULL,
  level INTEGER NOT NULL, unix_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE consumer(
  id TEXT NOT NULL PRIMARY KEY, tier TEXT NOT NULL, billing_day INTEGER NOT NULL,
  minute_override INTEGER, month_override INTEGER,
  created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT, WITHOUT ROWID;
CREATE TABLE api_key(
  sha256 TEXT NOT NULL PRIMARY KEY,
  consumer TEXT NOT NULL REFERENCES consumer(id) ON DELETE CASCADE) STRICT;
CREATE INDEX api_key_consumer ON api_key(consumer);
CREATE TABLE room(filler BLOB NOT NULL) STRICT;
CREATE VIEW month_for_people AS
  SELECT subject, date(period * 86400, 'unixepoch') AS begins, mark / 1000.0 AS counted FROM month;
)sql";

// What came to version 1 later. A quotad that does not know it leaves it alone.
constexpr const char* kAdditions = R"sql(
CREATE TABLE IF NOT EXISTS mode(
  one INTEGER NOT NULL PRIMARY KEY CHECK(one = 1), word TEXT NOT NULL,
  since_unix_ms INTEGER NOT NULL) STRICT;
)sql";

// Names every column that is used: a file that lacks one is found out now and not in the middle of
// the night.
constexpr const char* kSchemaCheck = R"sql(
SELECT subject, period, mark FROM month LIMIT 0;
SELECT subject, anonymous, minute_limit, level, unix_us FROM bucket LIMIT 0;
SELECT id, tier, billing_day, minute_override, month_override, created FROM consumer LIMIT 0;
SELECT sha256, consumer FROM api_key LIMIT 0;
SELECT filler FROM room LIMIT 0;
)sql";

// A write waits at most a second for a person in the sqlite3 shell. 8 MB of log between checkpoints
// keeps their fsyncs few; what memory SQLite may keep is small beside that of a million subjects.
constexpr const char* kSettings = R"sql(
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 2000;
PRAGMA journal_size_limit = 16777216;
PRAGMA cache_size = -2048;
PRAGMA foreign_keys = ON;
PRAGMA trusted_schema = OFF;
)sql";
constexpr int kBusyTimeoutMs = 1000;

// A full check reads every page. Up to this size it takes a fraction of a second; above it the
// header, the schema and SQLite's own checks of each page that it touches have to do.
constexpr uintmax_t kQuickCheckBytes = uintmax_t{64} << 20;

absl::Status foreign(const std::string& path) {
  return absl::Status(absl::StatusCode::kFailedPrecondition,
                      absl::StrCat(path,
                                   " is not a state file of quotad and is left as it is; name "
                                   "another file as the store, or move this one away"));
}

absl::Status damaged(const std::string& path, absl::string_view how) {
  return absl::Status(
      absl::StatusCode::kDataLoss,
      absl::StrCat(path, " is damaged (", how, "); put a backup in its place, or move ", path,
                   " and ", path, "-wal away to start with empty counts"));
}

absl::Status unusable(const std::string& path, const absl::Status& why) {
  if (why.code() == absl::StatusCode::kDataLoss) return damaged(path, why.message());
  return absl::Status(
      absl::StatusCode::kUnavailable,
      absl::StrCat("cannot use ", path, " as the store: ", why.message(),
                   "; check that the disk has room and that no other program has the "
                   "file open for writing"));
}

absl::Status unwritable(const std::string& path, const fs::path& directory, int error) {
  return absl::Status(
      absl::StatusCode::kPermissionDenied,
      absl::StrCat("cannot write ", path, ": ", std::strerror(error),
                   "; the user that quotad runs as must be able to write it, and to "
                   "create files in ",
                   directory.string()));
}

absl::Status check_place(const std::string& path, const fs::path& directory) {
  std::error_code ignored;
  if (path.empty()) {
    return absl::Status(absl::StatusCode::kInvalidArgument,
                        "the store's URL names no file; write local:///var/lib/quotad/state.db");
  }
  if (fs::is_directory(path, ignored)) {
    return absl::Status(absl::StatusCode::kFailedPrecondition,
                        absl::StrCat(path, " is a directory; name a file as the store, such as ",
                                     (fs::path(path) / "state.db").string()));
  }
  if (!fs::is_directory(directory, ignored)) {
    return absl::Status(
        absl::StatusCode::kNotFound,
        absl::StrCat("the store's directory ", directory.string(),
                     " does not exist; create it, owned by the user that quotad runs "
                     "as"));
  }
  return absl::OkStatus();
}

// A lock that the kernel lets go however the process ends. It is on a file of its own, because
// closing any descriptor of the database file would let go the locks of SQLite.
absl::StatusOr<int> lock_out_others(const std::string& path, const fs::path& resolved) {
  const std::string lock_path = resolved.string() + ".lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
  if (lock < 0) return unwritable(lock_path, resolved.parent_path(), errno);
  if (::flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
  const int error = errno;
  ::close(lock);
  if (error != EWOULDBLOCK) {
    return absl::Status(absl::StatusCode::kUnavailable,
                        absl::StrCat("cannot lock ", lock_path, ": ", std::strerror(error),
                                     "; keep the store on a local file system"));
  }
  return absl::Status(absl::StatusCode::kFailedPrecondition,
                      absl::StrCat(path,
                                   " is held by another quotad; stop that one, or give this one a "
                                   "store of its own"));
}

enum class Found { kNew, kOurs };

// Looks at the file without SQLite, which would begin to repair a foreign database.
absl::StatusOr<Found> look(const std::string& path, const fs::path& resolved) {
  const int file =
      ::open(resolved.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
  if (file < 0) return unwritable(path, resolved.parent_path(), errno);
  const absl::Cleanup close_file = [file] { ::close(file); };
  struct stat info {};
  if (::fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) return foreign(path);
  if (info.st_size == 0) return Found::kNew;

  std::array<unsigned char, 100> header{};
  const ssize_t got = ::pread(file, header.data(), header.size(), 0);
  if (got != static_cast<ssize_t>(header.size()) ||
      std::memcmp(header.data(), kMagic, sizeof(kMagic)) != 0) {
    return foreign(path);
  }
  int64_t application_id = 0;
  for (size_t i = 68; i < 72; ++i) application_id = application_id << 8 | header[i];
  if (application_id != kApplicationId) return foreign(path);
  return Found::kOurs;
}

absl::Status create_schema(Database& database) {
  return database.transact([&] {
    absl::Status status = database.execute(kSchema);
    // Last, and in the same transaction: whoever finds the id finds the tables too.
    status.Update(database.execute(absl::StrCat("PRAGMA application_id = ", kApplicationId,
                                                "; PRAGMA user_version = ", kVersion)
                                       .c_str()));
    return status;
  });
}

absl::Status check_contents(Database& database, const std::string& path, uintmax_t size) {
  const absl::StatusOr<int64_t> version = database.integer("PRAGMA user_version");
  if (!version.ok()) return unusable(path, version.status());
  if (*version > kVersion) {
    return absl::Status(absl::StatusCode::kFailedPrecondition,
                        absl::StrCat(path, " was written by a newer quotad (its version is ",
                                     *version, ", this quotad knows ", kVersion,
                                     "); run that quotad, or name another file as the store"));
  }
  if (const absl::Status status = database.execute(kSchemaCheck); !status.ok()) {
    // "no such table" is SQLite's ordinary error; here it says that the file is not what it was.
    const bool schema = status.code() == absl::StatusCode::kInternal;
    return schema ? damaged(path, status.message()) : unusable(path, status);
  }
  if (size > kQuickCheckBytes) return absl::OkStatus();
  const absl::StatusOr<std::string> fault = database.text("PRAGMA quick_check(1)");
  if (!fault.ok()) return unusable(path, fault.status());
  if (*fault != "ok") return damaged(path, *fault);
  return absl::OkStatus();
}

absl::Status use_wal(Database& database, const std::string& path) {
  const absl::StatusOr<std::string> mode = database.text("PRAGMA journal_mode = WAL");
  if (!mode.ok()) return unusable(path, mode.status());
  if (*mode != "wal") {
    return absl::Status(absl::StatusCode::kUnavailable,
                        absl::StrCat("the file system of ", path,
                                     " has no shared memory, which the "
                                     "store needs; keep the store on a local file system"));
  }
  if (absl::Status status = database.execute(kSettings); !status.ok()) {
    return unusable(path, status);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateFile>> StateFile::open(const std::string& path) {
  // Resolved, so that two names of one file are one lock.
  std::error_code ignored;
  fs::path resolved = fs::weakly_canonical(fs::absolute(path, ignored), ignored);
  if (resolved.empty()) resolved = path;
  if (absl::Status status = check_place(path, resolved.parent_path()); !status.ok()) return status;

  absl::StatusOr<int> lock = lock_out_others(path, resolved);
  if (!lock.ok()) return lock.status();
  absl::Cleanup unlock = [&lock] { ::close(*lock); };

  const absl::StatusOr<Found> found = look(path, resolved);
  if (!found.ok()) return found.status();
  absl::StatusOr<Database> database = Database::open(resolved.string());
  if (!database.ok()) return unusable(path, database.status());
  sqlite3_busy_timeout(database->handle(), kBusyTimeoutMs);
  if (*found == Found::kNew) {
    absl::Status status = create_schema(*database);
    if (!status.ok()) return unusable(path, status);
  } else {
    absl::Status status = check_contents(*database, path, fs::file_size(resolved, ignored));
    if (!status.ok()) return status;
  }
  if (absl::Status status = use_wal(*database, path); !status.ok()) return status;
  if (absl::Status status = database->execute(kAdditions); !status.ok()) {
    return unusable(path, status);
  }

  std::move(unlock).Cancel();
  return std::unique_ptr<StateFile>(new StateFile(path, *lock, *std::move(database)));
}

StateFile::StateFile(std::string path, int lock, Database database)
    : path_(std::move(path)), lock_(lock), database_(std::move(database)) {}

StateFile::~StateFile() {
  // Closed here and not by the member's destructor, which would come after the lock is let go.
  { const Database closed_now = std::move(database_); }
  ::close(lock_);
}

}  // namespace quota::store
