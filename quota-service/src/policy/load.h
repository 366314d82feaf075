#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "policy/faults.h"
#include "policy/policy.h"

namespace quota::policy {

// Reads and validates a policy. An error is one sentence per fault, one per line, each starting
// with file:line:column, and never shows a key or a secret. `name` stands for the file in messages;
// a relative jwt.key_file is looked for beside it.
absl::StatusOr<std::shared_ptr<const Policy>> load_policy(std::string_view yaml,
                                                          const std::string& name);
absl::StatusOr<std::shared_ptr<const Policy>> load_policy_file(const std::string& path);

// The same with the faults one by one; null when there are any.
std::shared_ptr<const Policy> load_policy(std::string_view yaml, const std::string& name,
                                          Faults& faults);

// What quotad runs on when it is given no file.
std::string_view built_in_policy_yaml();

}  // namespace quota::policy
