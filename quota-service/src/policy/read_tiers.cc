#include "policy/names.h"
#include "policy/read_limits.h"
#include "policy/sections.h"

namespace quota::policy {
namespace {

constexpr size_t kMaxTiers = 64;

void check_name(const YamlKey& name, Faults& faults) {
  if (name.text == kAnonymousTier) {
    faults.add(name.at, Message::kTierReserved);
  } else if (!is_tier_name(name.text)) {
    faults.add(name.at, Message::kTierName, show(name.text));
  }
}

}  // namespace

void read_tiers(const YamlNode& node, Draft& draft, Faults& faults) {
  if (node.kind == YamlNode::Kind::kNull) return;
  if (node.kind != YamlNode::Kind::kMap) {
    faults.add(node.at, Message::kNotMapping, "`tiers`", describe(node));
    return;
  }
  if (!within(node.keys.size(), kMaxTiers, "tiers", node.at, faults)) return;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const YamlKey& name = node.keys[i];
    check_name(name, faults);
    draft.tier_names.push_back(name.text);

    const size_t faults_before = faults.size();
    const Fields fields(node.items[i], "tier " + show(name.text),
                        {kMinuteKey, kMonthKey, kUnlimitedKey}, faults);
    read_unlimited(fields, faults);
    const LimitsPatch limits{read_minute(fields, fields.where(), draft),
                             read_month(fields, fields.where(), draft)};
    require_limit(fields, "requests_per_minute or monthly_quota", faults_before, faults);

    Tier& tier = draft.policy.tiers.emplace_back();
    tier.name = name.text;
    limits.apply_to(tier.limits);
  }
}

}  // namespace quota::policy
