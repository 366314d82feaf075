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
  fallback_.index = static_cast<uint32_t>(rules_.size());
  std::vector<std::pair<std::string, uint32_t>> prefixes;
  for (uint32_t i = 0; i < rules_.size(); ++i) {
    rules_[i].index = i;
    if (rules_[i].prefix) {
      prefixes.emplace_back(rules_[i].path, i);
    } else {
      exact_[rules_[i].path].push_back(i);
    }
  }
  prefixes_ = PrefixTree(std::move(prefixes));
}

const EndpointRule& Endpoints::match(std::string_view method, std::string_view path) const {
  // The first hit of an exact path is its best; of that and the best of the prefixes the smaller
  // index was written first and wins.
  uint32_t best = fallback_.index;
  if (const auto found = exact_.find(path); found != exact_.end()) {
    for (const uint32_t i : found->second) {
      if (takes(rules_[i], method)) {
        best = i;
        break;
      }
    }
  }
  best = prefixes_.smallest(path, best, [&](uint32_t i) { return takes(rules_[i], method); });
  return best < rules_.size() ? rules_[best] : fallback_;
}

}  // namespace quota::policy
