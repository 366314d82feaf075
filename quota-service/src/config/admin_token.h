#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quota::config {

// The token from `path`, or else from `variable`, which is what QUOTAD_ADMIN_TOKEN holds or null.
// Empty when neither is given. No message ever shows the token.
absl::StatusOr<std::string> read_admin_token(const std::string& path, const char* variable,
                                             std::vector<std::string>& warnings);

}  // namespace quota::config
