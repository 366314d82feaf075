#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace quota::config {

// The whole of a file that is meant to be small; one of more than `most` bytes is an error.
absl::StatusOr<std::string> read_file(const std::string& path, size_t most);

}  // namespace quota::config
