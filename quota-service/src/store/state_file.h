#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "store/sqlite.h"

namespace quota::store {

// The file of the embedded store: created or recognised, checked, and held by this process alone.
// People may read it with the sqlite3 shell at any time.
class StateFile {
 public:
  // An error is one sentence that names the file and says what to do.
  static absl::StatusOr<std::unique_ptr<StateFile>> open(const std::string& path);
  ~StateFile();
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  Database& database() { return database_; }
  const std::string& path() const { return path_; }

 private:
  StateFile(std::string path, int lock, Database database);

  const std::string path_;  // as the user wrote it
  const int lock_;          // let go after the database is closed: see the destructor
  Database database_;
};

}  // namespace quota::store
