#pragma once

#include <cstdint>
#include <string>

#include "cli/session.h"

namespace quota::cli {

// 2 or 1.5, as the admin API writes amounts.
Json units(int64_t milli);
// A number as quotad wrote it; "unlimited" for null.
std::string amount(const Json& number);
// "5000 per minute, 1000000 per month"
std::string limits_text(const Json& limits);
// "4998 of 5000 left, all of it again in 12 s"; `now_ms` is Unix time.
std::string state_text(const Json& state, int64_t now_ms);

}  // namespace quota::cli
