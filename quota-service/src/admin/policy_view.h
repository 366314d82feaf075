#pragma once

#include "admin/http.h"
#include "policy/live_policy.h"

namespace quota::admin {

// The policy in force as JSON. Keys, secrets and their digests are left out.
Json policy_json(const policy::Policy& policy, const policy::LivePolicy::Stats& stats);
Json tiers_json(const policy::Policy& policy);
Json endpoints_json(const policy::Policy& policy);

}  // namespace quota::admin
