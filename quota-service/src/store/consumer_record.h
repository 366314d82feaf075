#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policy/policy.h"

namespace quota::store {

// A managed consumer as JSON:
//   {"id": "acme", "tier": "pro", "billing_day": 1, "minute_milli": 5000000, "month_milli": null,
//    "api_keys": ["<sha256 in hex>"]}
// Only the id must be there; members of other names are for newer versions and left alone.
std::string consumer_to_record(const policy::Consumer& consumer);
// Nothing when it is no record of the consumer `id`.
std::optional<policy::Consumer> consumer_from_record(std::string_view record, std::string_view id);
// As above, of whatever consumer.
std::optional<policy::Consumer> consumer_from_record(std::string_view record);

}  // namespace quota::store
