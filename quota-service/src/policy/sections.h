#pragma once

#include <string>

#include "policy/draft.h"
#include "policy/fields.h"

// One reader for each top-level key of the policy. They add to the draft what is right and to the
// faults what is wrong.
namespace quota::policy {

inline constexpr int64_t kMaxCost = 1'000'000 * kMilli;

void read_tiers(const YamlNode& node, Draft& draft, Faults& faults);
void read_endpoints(const std::vector<YamlNode>& nodes, Position at, Draft& draft, Faults& faults);
void read_anonymous(const YamlNode& node, Draft& draft, Faults& faults);
void read_identity(const YamlNode& node, Draft& draft, Faults& faults);
void read_consumers(const std::vector<YamlNode>& nodes, Position at, Draft& draft, Faults& faults);
void read_attribute_overrides(const std::vector<YamlNode>& nodes, Position at, Draft& draft,
                              Faults& faults);

}  // namespace quota::policy
