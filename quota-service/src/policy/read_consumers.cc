#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "policy/names.h"
#include "policy/read_limits.h"
#include "policy/sections.h"

namespace quota::policy {
namespace {

constexpr size_t kMaxConsumers = 100'000;
constexpr size_t kMaxAttributeOverrides = 256;

struct KeyOwner {
  std::string_view id;
  int line = 0;
};
using KeyOwners = absl::flat_hash_map<Sha256, KeyOwner>;

// Reads hashes of keys. No fault repeats what is written there: by mistake it may be a key itself.
std::vector<Sha256> read_keys(const std::vector<YamlNode>& nodes, const std::string& id,
                              KeyOwners& owners, Faults& faults) {
  static const Sha256 of_nothing = sha256("");
  std::vector<Sha256> keys;
  for (const YamlNode& node : nodes) {
    const std::string* hex = element_text(node, "an entry of `api_keys_sha256`", faults);
    if (hex == nullptr) continue;
    const auto key = sha256_from_hex(*hex);
    if (!key) {
      faults.add(node.at, Message::kNotSha256);
    } else if (*key == of_nothing) {
      faults.add(node.at, Message::kHashOfNothing);
    } else if (const auto [found, is_new] = owners.emplace(*key, KeyOwner{id, node.at.line});
               !is_new) {
      faults.add(node.at, Message::kDuplicateApiKey, show(found->second.id), found->second.line);
    } else {
      keys.push_back(*key);
    }
  }
  return keys;
}

bool is_attribute_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
  });
}

// The quota_attribute names that are fields of their own and never among the attributes; what to
// use in their place.
std::string_view instead_of(std::string_view attribute) {
  if (attribute == "consumer") return "`overrides` of the consumer";
  if (attribute == "tier") return "the limits of the tier";
  if (attribute == "api_key" || attribute == "bearer") return "`overrides` of its consumer";
  return {};
}

}  // namespace

void read_consumers(const std::vector<YamlNode>& nodes, Position at, Draft& draft, Faults& faults) {
  if (!within(nodes.size(), kMaxConsumers, "consumers", at, faults)) return;
  absl::flat_hash_map<std::string, int> line_of;
  KeyOwners owners;
  draft.policy.consumers.reserve(nodes.size());
  for (const YamlNode& node : nodes) {
    const Fields fields(node, "a consumer",
                        {"id", "tier", "api_keys_sha256", "billing_day", "overrides"}, faults);
    // Reserved above: the owners of keys look at ids where they lie.
    Consumer& consumer = draft.policy.consumers.emplace_back();
    fields.require("id");
    if (auto id = fields.text("id")) {
      consumer.id = *std::move(id);
      if (!is_consumer_id(consumer.id)) {
        faults.add(fields.at("id"), Message::kConsumerId, show(consumer.id));
      }
      const auto [found, is_new] = line_of.emplace(consumer.id, fields.at("id").line);
      if (!is_new) {
        faults.add(fields.at("id"), Message::kDuplicateConsumer, show(consumer.id), found->second);
      }
    }
    const std::string whose = "consumer " + show(consumer.id);
    consumer.tier = fields.filled_text("tier").value_or("");
    if (!consumer.tier.empty() || !fields.has("tier")) {
      draft.tier_uses.push_back({consumer.tier, whose, fields.at("tier")});
    }
    consumer.api_keys = read_keys(fields.list("api_keys_sha256"), consumer.id, owners, faults);
    if (const auto day = fields.whole("billing_day", 1, 31)) {
      consumer.billing_day = static_cast<int>(*day);
    }
    if (const YamlNode* overrides = fields.find("overrides")) {
      const Fields patch(*overrides, "overrides of " + whose, {kMinuteKey, kMonthKey}, faults);
      consumer.overrides = {read_minute(patch, whose, draft), read_month(patch, whose, draft)};
    }
  }
}

void read_attribute_overrides(const std::vector<YamlNode>& nodes, Position at, Draft& draft,
                              Faults& faults) {
  if (!within(nodes.size(), kMaxAttributeOverrides, "overrides by attribute", at, faults)) return;
  absl::flat_hash_map<std::pair<std::string, std::string>, int> line_of;
  for (const YamlNode& node : nodes) {
    const Fields fields(node, "an override by attribute",
                        {"attribute", "equals", kMinuteKey, kMonthKey}, faults);
    fields.require("attribute");
    fields.require("equals");
    fields.require(kMinuteKey);
    const auto name = fields.text("attribute");
    const auto equals = fields.text("equals");
    if (name && !instead_of(*name).empty()) {
      faults.add(fields.at("attribute"), Message::kNotAnAttribute, *name, instead_of(*name));
    } else if (name && !is_attribute_name(*name)) {
      faults.add(fields.at("attribute"), Message::kAttributeName, show(*name));
    }
    refuse_month(fields, "a month is counted over all requests, whatever their attributes", faults);
    AttributeOverride& override = draft.policy.attribute_overrides.emplace_back();
    override.patch.minute = read_minute(fields, fields.where(), draft);
    if (!name || !equals) continue;
    override.name = *name;
    override.equals = *equals;
    const auto [found, is_new] = line_of.emplace(std::pair(*name, *equals), fields.at().line);
    if (!is_new) {
      faults.add(fields.at("attribute"), Message::kDuplicateOverride, show(*name), found->second);
    }
  }
}

}  // namespace quota::policy
