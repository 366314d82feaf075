#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/sha256.h"
#include "policy/policy.h"

namespace quota::store {

// Where managed consumers are kept. Calls wait until the store has answered and a change is
// durable; they come from the admin API, never from the decision path.
class ConsumerStore {
 public:
  virtual ~ConsumerStore() = default;

  virtual absl::StatusOr<std::optional<policy::Consumer>> find_consumer(std::string_view id) = 0;
  // Those whose ids come after `after`, in the order of ids.
  virtual absl::StatusOr<std::vector<policy::Consumer>> list_consumers(std::string_view after,
                                                                       size_t limit) = 0;

  // Makes of what is recorded, if anything is, what is to be recorded; an error of it is passed on.
  // It may be called again when somebody else changes the record at the same time.
  using Change =
      std::function<absl::StatusOr<policy::Consumer>(std::optional<policy::Consumer> before)>;
  // Returns what is recorded now. AlreadyExists when another consumer has one of the keys.
  virtual absl::StatusOr<policy::Consumer> change_consumer(std::string_view id,
                                                           const Change& change) = 0;
  virtual absl::Status remove_consumer(std::string_view id) = 0;
};

// The public name of an API key: the first eight hexadecimal digits of its SHA-256.
std::string key_id(const Sha256& key);
absl::Status key_is_taken(const Sha256& key, std::string_view owner);

}  // namespace quota::store
