#include "policy/endpoints.h"

#include <utility>

namespace quota::policy {
namespace {

bool takes(const EndpointRule& rule, std::string_view method) {
  return rule.method.empty() || rule.method == method;
}

}  // namespace

Endpoints::Endpoints(std::vector<EndpointRule> rules, int64_t default_cost)
    : rules_(std::move(rules)) {
  fallback_.cost = default_cost;
  for (uint32_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].prefix) {
      prefixes_.push_back(i);
    } else {
      exact_[rules_[i].path].push_back(i);
    }
  }
}

const EndpointRule& Endpoints::match(std::string_view method, std::string_view path) const {
  // Both lists are in the order of the rules, so the first hit of each is its best; of the two hits
  // the smaller index was written first and wins.
  size_t best = rules_.size();
  if (const auto found = exact_.find(path); found != exact_.end()) {
    for (const uint32_t i : found->second) {
      if (takes(rules_[i], method)) {
        best = i;
        break;
      }
    }
  }
  for (const uint32_t i : prefixes_) {
    if (i >= best) break;
    if (takes(rules_[i], method) && path.starts_with(rules_[i].path)) return rules_[i];
  }
  return best < rules_.size() ? rules_[best] : fallback_;
}

}  // namespace quota::policy
