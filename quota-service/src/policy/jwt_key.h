#pragma once

#include <filesystem>
#include <string>

#include "policy/faults.h"
#include "policy/policy.h"

namespace quota::policy {

// The key that tokens are verified with, from its file. Empty, with a fault at `at`, when it is not
// fit for the algorithm. Faults never show the key, nor the name of its file: people have been seen
// to put the key there.
std::string read_jwt_key(const std::filesystem::path& file, JwtAlgorithm algorithm, Position at,
                         Faults& faults);

}  // namespace quota::policy
