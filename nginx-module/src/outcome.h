// What became of a request: the values of $quota_outcome and of the label of the same name.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace quota {

enum class Outcome {
  kAllowed,
  kDenied,
  kExempt,
  kUnauthenticated,
  kDryRunDenied,
  kErrorAllowed,
  kErrorDenied,
  kLocalAllowed,
  kLocalDenied,
};

inline constexpr std::array<std::string_view, 9> kOutcomeNames{
    "allowed",       "denied",       "exempt",        "unauthenticated", "dry_run_denied",
    "error_allowed", "error_denied", "local_allowed", "local_denied",
};

constexpr std::string_view name_of(Outcome outcome) {
  return kOutcomeNames[static_cast<size_t>(outcome)];
}

}  // namespace quota
