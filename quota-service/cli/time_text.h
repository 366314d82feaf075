#pragma once

#include <cstdint>
#include <string>

namespace quota::cli {

// "2026-11-20T12:00:00.250Z"
std::string time_text(int64_t unix_ms);

}  // namespace quota::cli
