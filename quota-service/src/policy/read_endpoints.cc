#include <algorithm>

#include "absl/strings/ascii.h"
#include "policy/sections.h"

namespace quota::policy {
namespace {

constexpr size_t kMaxEndpoints = 1'000;
constexpr size_t kMaxPath = 1'024;

// As nginx reads a request line; lower case would be another method, and match nothing.
bool is_method(std::string_view method) {
  return !method.empty() && method.size() <= 32 &&
         std::all_of(method.begin(), method.end(),
                     [](char c) { return absl::ascii_isupper(c) || c == '-' || c == '_'; });
}

void check_path(std::string_view path, Position at, Faults& faults) {
  if (path.size() > kMaxPath) {
    faults.add(at, Message::kPathTooLong, kMaxPath);
    return;
  }
  if (path == "*") return;
  if (!path.starts_with('/')) faults.add(at, Message::kPathStart, show(path));
  if (const size_t star = path.find('*');
      star != std::string_view::npos && star + 1 < path.size()) {
    faults.add(at, Message::kPathStar, show(path));
  }
  if (path.find('?') != std::string_view::npos) faults.add(at, Message::kPathQuery, show(path));
}

}  // namespace

void read_endpoints(const std::vector<YamlNode>& nodes, Position at, Draft& draft, Faults& faults) {
  if (!within(nodes.size(), kMaxEndpoints, "endpoints", at, faults)) return;
  for (const YamlNode& node : nodes) {
    const Fields fields(node, "an endpoint", {"path", "method", "cost"}, faults);
    EndpointRule rule;
    if (const auto method = fields.text("method")) {
      rule.method = *method;
      if (!is_method(*method)) {
        faults.add(fields.at("method"), Message::kMethod, show(*method));
      }
    }
    rule.cost = fields.milli("cost", 0, kMaxCost).value_or(draft.default_cost);
    fields.require("path");
    const auto path = fields.text("path");
    if (!path) continue;
    check_path(*path, fields.at("path"), faults);

    rule.name = rule.method.empty() ? *path : rule.method + " " + *path;
    rule.prefix = path->ends_with('*');
    rule.path = path->substr(0, path->size() - (rule.prefix ? 1 : 0));
    draft.rules.push_back(std::move(rule));
    draft.rule_at.push_back(fields.at("path"));
  }
}

}  // namespace quota::policy
