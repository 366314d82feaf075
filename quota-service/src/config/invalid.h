#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "absl/status/status.h"

namespace quota::config {

// absl::InvalidArgumentError with its sentence put together.
template <typename... Args>
absl::Status invalid(fmt::format_string<Args...> sentence, Args&&... args) {
  return absl::InvalidArgumentError(fmt::format(sentence, std::forward<Args>(args)...));
}

// The same error, preceded by where it was found.
inline absl::Status located(const absl::Status& status, const std::string& where) {
  return absl::Status(status.code(), where + ": " + std::string(status.message()));
}

}  // namespace quota::config
