#pragma once

#include <functional>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace quota::cli {

// Fills the bytes with randomness, or fails.
using RandomBytes = std::function<bool(std::span<unsigned char>)>;
bool system_random(std::span<unsigned char> bytes);

// "qg_" and 43 characters of 0-9A-Za-z: 256 bits that nobody can guess.
absl::StatusOr<std::string> generate_api_key(const RandomBytes& random = system_random);

}  // namespace quota::cli
