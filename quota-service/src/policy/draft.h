#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "policy/faults.h"
#include "policy/policy.h"

namespace quota::policy {

// A limit as it was written, for checks that need all of the policy.
struct WrittenLimit {
  std::string whose;           // "tier `free`"
  int64_t value = 0;           // milli
  std::optional<Position> at;  // nothing: it is a default
};

struct TierUse {
  std::string tier;  // empty: the default one
  std::string whose;
  Position at;
};

// A policy that is being read, with the positions of what can only be judged at the end.
struct Draft {
  Policy policy;
  std::filesystem::path directory;  // where relative file names start
  int64_t default_cost = kMilli;
  std::optional<Position> default_cost_at;
  std::vector<EndpointRule> rules;
  std::vector<Position> rule_at;  // rule_at[i] belongs to rules[i]
  std::vector<WrittenLimit> minutes;
  std::vector<WrittenLimit> months;
  std::vector<TierUse> tier_uses;
  std::vector<std::string> tier_names;  // also of tiers that are wrong
};

}  // namespace quota::policy
