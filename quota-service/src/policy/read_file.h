#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace quota::policy {

// The bytes of a file, but no more than `most` and one, so that the caller sees that it is too
// long. The message of an error is the system's own words.
absl::StatusOr<std::string> read_file(const std::string& path, size_t most);

}  // namespace quota::policy
