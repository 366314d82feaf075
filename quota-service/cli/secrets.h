#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace quota::cli {

// A secret from `file` ("-" is standard input), or from the environment variable when no file is
// named; empty when there is neither. Secrets are never arguments, which every user of the host can
// read. No message shows a secret.
absl::StatusOr<std::string> read_secret(const std::string& file, const char* variable);

}  // namespace quota::cli
