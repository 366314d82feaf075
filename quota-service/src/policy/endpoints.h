#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/string_map.h"
#include "policy/prefix_tree.h"

namespace quota::policy {

struct EndpointRule {
  std::string name;    // how metrics and verdicts call it: "/batch", "OPTIONS *"
  std::string method;  // empty: any
  std::string path;    // without the trailing *
  bool prefix = false;
  int64_t cost = 0;    // milli
  uint32_t index = 0;  // in Endpoints::rules(); of the fallback, one past the last
};

// The price list: the first rule that matches a request decides; none means the default cost.
class Endpoints {
 public:
  Endpoints() = default;
  Endpoints(std::vector<EndpointRule> rules, int64_t default_cost);

  // Never null: an unmatched request gets the rule named "default".
  const EndpointRule& match(std::string_view method, std::string_view path) const;
  const std::vector<EndpointRule>& rules() const { return rules_; }
  const EndpointRule& fallback() const { return fallback_; }

 private:
  std::vector<EndpointRule> rules_;
  EndpointRule fallback_{.name = "default", .method = {}, .path = {}, .prefix = true, .cost = 1000};
  // Rules that match one exact path, in order, and the rest: few are looked at per request.
  StringMap<std::vector<uint32_t>> exact_;
  PrefixTree prefixes_;
};

}  // namespace quota::policy
