#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/policy.h"

namespace quota::store {

// Where managed consumers are kept. Calls wait until the change is durable; they come from the
// admin API, never from the decision path.
class ConsumerStore {
 public:
  virtual ~ConsumerStore() = default;
  virtual absl::StatusOr<std::vector<policy::Consumer>> load_consumers() = 0;
  virtual absl::Status put_consumer(const policy::Consumer& consumer) = 0;
  virtual absl::Status remove_consumer(std::string_view id) = 0;
};

}  // namespace quota::store
