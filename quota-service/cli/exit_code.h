#pragma once

#include "absl/status/status.h"

namespace quota::cli {

// What scripts can rely on; quotactl --help lists them.
enum ExitCode : int {
  kOk = 0,
  kError = 1,  // also: an invalid policy
  kDenied = 2,
  kUnreachable = 3,
  kNotPermitted = 4,
};

ExitCode exit_code_of(const absl::Status& status);

}  // namespace quota::cli
