#include "policy/load.h"

namespace quota::policy {

std::string_view built_in_policy_yaml() {
  return R"(version: 1
burst: 1.5
default_tier: free
default_cost: 1.0
tiers:
  free:       {requests_per_minute: 100,  monthly_quota: 50000}
  pro:        {requests_per_minute: 1000, monthly_quota: 1000000}
  enterprise: {unlimited: true}
  partner:    {unlimited: true}
endpoints:
  - {method: OPTIONS, path: "*", cost: 0}
  - {path: /identify, cost: 1.0}
  - {path: /compare,  cost: 2.0}
  - {path: /batch,    cost: 1.0}
  - {path: /health,   cost: 0}
anonymous: {requests_per_minute: 30, ipv6_prefix: 64}
identity:
  unknown_credentials: anonymous
mode: enforce
store_lost: local_share
)";
}

}  // namespace quota::policy
