#include "policy/load.h"

#include <utility>

#include "policy/read_file.h"
#include "policy/sections.h"
#include "policy/validate.h"
#include "policy/yaml_tree.h"

namespace quota::policy {
namespace {

constexpr size_t kHashDigits = 12;
constexpr int64_t kMaxBurst = 100 * kMilli;

void read_version(const Fields& fields, Faults& faults) {
  const auto version = fields.text("version");
  if (version && *version != "1") {
    faults.add(fields.at("version"), Message::kVersion, show(*version));
  }
}

// `free` when nothing is named; nothing when that is no tier either, and nobody may need one then.
void choose_default_tier(const Fields& fields, Draft& draft) {
  if (fields.has("default_tier")) {
    draft.policy.default_tier = fields.filled_text("default_tier").value_or("free");
    draft.tier_uses.push_back({draft.policy.default_tier, "", fields.at("default_tier")});
    return;
  }
  for (const Tier& tier : draft.policy.tiers) {
    if (tier.name == "free") draft.policy.default_tier = tier.name;
  }
}

void read_policy(const YamlNode& root, Draft& draft, Faults& faults) {
  const Fields fields(
      root, "the policy",
      {"version", "burst", "default_tier", "default_cost", "tiers", "endpoints", "anonymous",
       "identity", "consumers", "overrides_by_attribute", "mode", "store_lost"},
      faults);
  Policy& policy = draft.policy;
  const YamlNode absent;
  const auto section = [&](std::string_view key) -> const YamlNode& {
    const YamlNode* node = fields.find(key);
    return node == nullptr ? absent : *node;
  };

  read_version(fields, faults);
  policy.burst_milli = fields.milli("burst", kMilli, kMaxBurst).value_or(policy.burst_milli);
  if (const auto cost = fields.milli("default_cost", 0, kMaxCost)) {
    draft.default_cost = *cost;
    draft.default_cost_at = fields.at("default_cost");
  }
  read_tiers(section("tiers"), draft, faults);
  choose_default_tier(fields, draft);
  read_endpoints(fields.list("endpoints"), fields.at("endpoints"), draft, faults);
  read_anonymous(section("anonymous"), draft, faults);
  read_identity(section("identity"), draft, faults);
  read_consumers(fields.list("consumers"), fields.at("consumers"), draft, faults);
  read_attribute_overrides(fields.list("overrides_by_attribute"),
                           fields.at("overrides_by_attribute"), draft, faults);
  policy.mode =
      fields
          .choice<Mode>(
              "mode", {{"enforce", Mode::kEnforce}, {"shadow", Mode::kShadow}, {"off", Mode::kOff}})
          .value_or(policy.mode);
  policy.store_lost = fields
                          .choice<StoreLost>("store_lost", {{"local_share", StoreLost::kLocalShare},
                                                            {"allow", StoreLost::kAllow},
                                                            {"deny", StoreLost::kDeny}})
                          .value_or(policy.store_lost);
}

}  // namespace

std::shared_ptr<const Policy> load_policy(std::string_view yaml, const std::string& name,
                                          Faults& faults) {
  const auto root = parse_yaml(yaml, faults);
  if (!root) return nullptr;
  // A file that is cut off, or being written, must not pass for a policy without tiers.
  if (root->kind == YamlNode::Kind::kNull) {
    faults.add({1, 1}, Message::kEmpty);
    return nullptr;
  }
  Draft draft;
  draft.directory = std::filesystem::path(name).parent_path();
  read_policy(*root, draft, faults);
  validate(draft, faults);
  if (!faults.empty()) return nullptr;

  const auto policy = std::make_shared<Policy>(std::move(draft.policy));
  policy->endpoints = Endpoints(std::move(draft.rules), draft.default_cost);
  policy->hash = to_hex(sha256(yaml)).substr(0, kHashDigits);
  policy->source = name;
  policy->index_all();
  return policy;
}

absl::StatusOr<std::shared_ptr<const Policy>> load_policy(std::string_view yaml,
                                                          const std::string& name) {
  Faults faults;
  auto policy = load_policy(yaml, name, faults);
  if (policy == nullptr) return absl::InvalidArgumentError(faults.report(name));
  return policy;
}

absl::StatusOr<std::shared_ptr<const Policy>> load_policy_file(const std::string& path) {
  const auto yaml = read_file(path, kMaxPolicyBytes);
  if (!yaml.ok()) {
    return absl::Status(
        yaml.status().code(),
        fmt::format("{}: the policy cannot be read ({}); check its name and permissions", path,
                    std::string(yaml.status().message())));
  }
  return load_policy(*yaml, path);
}

}  // namespace quota::policy
