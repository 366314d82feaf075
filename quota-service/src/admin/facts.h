#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "identity/check.h"

namespace quota::admin {

// The facts of a request as the body of /v1/explain gives them:
//   {"method": "GET", "path": "/compare", "client_ip": "192.0.2.7", "api_key": …, "bearer": …,
//    "consumer": …, "tier": …, "attributes": {"country": "DE"}, "hits": 1}
struct Facts {
  std::string method, path, client_ip, api_key, consumer, tier, bearer;
  std::vector<std::pair<std::string, std::string>> attributes;
  uint32_t hits = 1;

  // Views into these facts; a peek.
  identity::Check check() const;
};

absl::StatusOr<Facts> parse_facts(const std::string& body);

}  // namespace quota::admin
