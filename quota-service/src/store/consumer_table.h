#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/policy.h"
#include "store/sqlite.h"

namespace quota::store {

// Managed consumers and the digests of their API keys. A change is on the disk when a call returns.
class ConsumerTable {
 public:
  explicit ConsumerTable(Database& database);

  absl::StatusOr<std::vector<policy::Consumer>> load();
  absl::Status put(const policy::Consumer& consumer);
  absl::Status remove(const std::string& id);

 private:
  absl::Status write(const policy::Consumer& consumer);

  Database& database_;
  Statement select_;
  Statement select_keys_;
  Statement find_owner_;
  Statement write_;
  Statement delete_;
  Statement insert_key_;
  Statement delete_keys_;
};

}  // namespace quota::store
