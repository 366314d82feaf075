#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/store.h"
#include "store/state_file.h"

namespace quota::store {

// What was spent of months and could not be told to Redis, in a file, until it is told. An entry is
// all that one holder ever spent of one month, so telling it twice does no harm.
class Journal {
 public:
  struct Entry {
    std::string holder;
    engine::MonthKey month;
    int64_t used = 0;
    // The holder will spend nothing more of it: what it holds unspent can be given back.
    bool is_final = false;
  };

  static absl::StatusOr<std::unique_ptr<Journal>> open(const std::string& path);

  absl::StatusOr<std::vector<Entry>> load();
  // All of them or, on an error, none. What is there already is replaced.
  absl::Status write(const std::vector<Entry>& entries);
  // Those that are not larger than given here.
  absl::Status erase(const std::vector<Entry>& entries);

 private:
  explicit Journal(std::unique_ptr<StateFile> file);

  std::unique_ptr<StateFile> file_;
  Statement select_;
  Statement insert_;
  Statement delete_;
};

}  // namespace quota::store
