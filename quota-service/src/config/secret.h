#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quota::config {

// Where a secret may come from: a file, or else a variable of the environment.
struct SecretSource {
  std::string setting;          // "admin_token_file"
  std::string variable;         // "QUOTAD_ADMIN_TOKEN"
  std::string path;             // of the file; empty: not given
  const char* value = nullptr;  // what the variable holds; null: not given
};

// The secret without the newline at its end; nothing when neither is given. Warns of a file that
// others may read. No message ever shows the secret.
absl::StatusOr<std::optional<std::string>> read_secret(const SecretSource& source,
                                                       std::vector<std::string>& warnings);

}  // namespace quota::config
