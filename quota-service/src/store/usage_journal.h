#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "store/state_file.h"
#include "store/usage_channel.h"

namespace quota::store {

// Batches of usage that Redis could not be told, in a file, until it is told.
class UsageJournal {
 public:
  struct Place {
    std::string holder;
    int shard = 0;
    uint64_t number = 0;
  };
  struct Found {
    Place place;
    UsageChannel::Batch batch;
  };
  struct Written {
    Place place;
    const UsageChannel::Batch* batch = nullptr;
  };

  static absl::StatusOr<std::unique_ptr<UsageJournal>> open(const std::string& path);

  // By holder, shard and number.
  absl::StatusOr<std::vector<Found>> load();
  // All of it or, on an error, nothing. What is there already is replaced.
  absl::Status save(const std::vector<Place>& erased, const std::vector<Written>& written);

 private:
  explicit UsageJournal(std::unique_ptr<StateFile> file);

  std::unique_ptr<StateFile> file_;
  Statement select_;
  Statement insert_;
  Statement delete_;
};

}  // namespace quota::store
