#pragma once

#include <cstdint>

#include "admin/http.h"
#include "engine/decision.h"
#include "policy/policy.h"
#include "telemetry/units.h"

namespace quota::admin {

using telemetry::units;

// {"requests_per_minute": …, "monthly_quota": …}; null where there is no limit.
Json limits_json(const policy::Limits& limits);
// Only the limits that the patch names.
Json patch_json(const policy::LimitsPatch& patch);
// {"limit", "remaining", "reset_unix_ms", "window_s"}; null where there is no limit.
Json state_json(const engine::LimitState& state);

}  // namespace quota::admin
