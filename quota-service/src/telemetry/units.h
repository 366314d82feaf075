#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "policy/policy.h"

namespace quota::telemetry {

// Amounts in JSON are whole cost units: 2 or 1.5 instead of 2000 or 1500.
inline nlohmann::ordered_json units(int64_t milli) {
  if (milli % policy::kMilli == 0) return milli / policy::kMilli;
  return static_cast<double>(milli) / policy::kMilli;
}

}  // namespace quota::telemetry
