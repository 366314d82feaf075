#pragma once

#include <optional>
#include <string>
#include <string_view>
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
  absl::StatusOr<std::optional<policy::Consumer>> find(std::string_view id);
  // Those whose ids come after `after`, in the order of ids.
  absl::StatusOr<std::vector<policy::Consumer>> list(std::string_view after, size_t limit);
  absl::Status put(const policy::Consumer& consumer);
  absl::Status remove(const std::string& id);

 private:
  absl::Status add_keys(policy::Consumer& consumer);
  absl::Status write(const policy::Consumer& consumer);

  Database& database_;
  Statement select_;
  Statement select_keys_;
  Statement select_one_;
  Statement select_page_;
  Statement select_keys_of_;
  Statement find_owner_;
  Statement write_;
  Statement delete_;
  Statement insert_key_;
  Statement delete_keys_;
};

}  // namespace quota::store
