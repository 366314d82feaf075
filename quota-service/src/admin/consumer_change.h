#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "admin/http.h"
#include "policy/policy.h"

namespace quota::admin {

Json consumer_json(const policy::Consumer& consumer);

// `consumer` with the changes that the body of a PUT asks for, held to the rules of the policy:
//   {"tier": …, "billing_day": …, "overrides": {"requests_per_minute": …, "monthly_quota": …},
//    "add_key_sha256": […], "remove_key_ids": […]}
// A member that is absent changes nothing; null takes a tier or an override back.
absl::StatusOr<policy::Consumer> change_consumer(policy::Consumer consumer, const std::string& body,
                                                 const policy::Policy& policy);

}  // namespace quota::admin
