#include "admin/consumer_change.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "admin/amounts.h"
#include "admin/fields.h"
#include "policy/decimal.h"
#include "store/consumer_store.h"

namespace quota::admin {
namespace {

using policy::Consumer;
using policy::Policy;

// As for limits in policy.yaml.
constexpr int64_t kMostMinute = 1'000'000'000;
constexpr int64_t kMostMonth = 1'000'000'000'000'000;
constexpr size_t kMostKeys = 100;
constexpr size_t kKeyIdDigits = 8;

absl::Status change_tier(Consumer& consumer, const Json& body, const Policy& policy) {
  const auto found = body.find("tier");
  if (found == body.end()) return absl::OkStatus();
  if (found->is_null()) {
    consumer.tier.clear();
    return absl::OkStatus();
  }
  const auto tier = text_field(body, "tier");
  if (!tier.ok()) return tier.status();
  if (policy.find_tier(*tier) == nullptr) {
    std::vector<std::string_view> names;
    for (const policy::Tier& known : policy.tiers) names.push_back(known.name);
    return bad_request("the policy has no such tier; it has {}", fmt::join(names, ", "));
  }
  consumer.tier = *tier;
  return absl::OkStatus();
}

absl::Status change_billing_day(Consumer& consumer, const Json& body) {
  if (!body.contains("billing_day")) return absl::OkStatus();
  const auto day = whole_field(body, "billing_day", 1, 31);
  if (!day.ok()) return day.status();
  consumer.billing_day = static_cast<int>(*day);
  return absl::OkStatus();
}

absl::Status change_override(std::optional<int64_t>& limit, const Json& overrides,
                             std::string_view name, int64_t most) {
  const auto found = overrides.find(name);
  if (found == overrides.end()) return absl::OkStatus();
  if (found->is_null()) {
    limit.reset();
    return absl::OkStatus();
  }
  const auto units = whole_field(overrides, name, 1, most);
  if (!units.ok()) return units.status();
  limit = *units * policy::kMilli;
  return absl::OkStatus();
}

absl::Status change_overrides(Consumer& consumer, const Json& body) {
  const auto found = body.find("overrides");
  if (found == body.end()) return absl::OkStatus();
  if (!found->is_object()) return bad_request("overrides must be a JSON object");
  absl::Status status = refuse_unknown(*found, {"requests_per_minute", "monthly_quota"});
  if (status.ok()) {
    status = change_override(consumer.overrides.minute, *found, "requests_per_minute", kMostMinute);
  }
  if (status.ok()) {
    status = change_override(consumer.overrides.month, *found, "monthly_quota", kMostMonth);
  }
  return status;
}

// A limit that no endpoint's cost may exceed, or the consumer could never call that endpoint.
absl::Status refuse_unpayable(const Consumer& consumer, const Policy& policy) {
  const auto check = [&](const policy::EndpointRule& rule) -> absl::Status {
    const auto& [minute, month] = consumer.overrides;
    if (minute && rule.cost > policy.capacity(*minute)) {
      return bad_request(
          "with this requests_per_minute the consumer could never pay for {}: "
          "it costs {}, and a full bucket would hold {}; give more",
          rule.name, policy::milli_to_string(rule.cost),
          policy::milli_to_string(policy.capacity(*minute)));
    }
    if (month && rule.cost > *month) {
      return bad_request(
          "with this monthly_quota the consumer could never pay for {}, which "
          "costs {}; give more",
          rule.name, policy::milli_to_string(rule.cost));
    }
    return absl::OkStatus();
  };
  for (const policy::EndpointRule& rule : policy.endpoints.rules()) {
    if (absl::Status status = check(rule); !status.ok()) return status;
  }
  return check(policy.endpoints.fallback());
}

absl::StatusOr<std::vector<std::string>> text_list(const Json& body, std::string_view name) {
  std::vector<std::string> texts;
  const auto found = body.find(name);
  if (found == body.end()) return texts;
  const auto is_text = [](const Json& element) { return element.is_string(); };
  if (!found->is_array() || !std::ranges::all_of(*found, is_text)) {
    return bad_request("{} must be a list of texts", name);
  }
  for (const Json& element : *found) texts.push_back(element.get<std::string>());
  return texts;
}

absl::Status remove_keys(Consumer& consumer, const Json& body) {
  const auto ids = text_list(body, "remove_key_ids");
  if (!ids.ok()) return ids.status();
  for (const std::string& id : *ids) {
    const auto is_named = [&](const Sha256& key) { return to_hex(key).starts_with(id); };
    const auto count = std::ranges::count_if(consumer.api_keys, is_named);
    if (id.size() < kKeyIdDigits || count == 0) {
      return absl::NotFoundError(
          "the consumer has no key of that id; an id is the first 8 hexadecimal digits, in lower "
          "case, of the key's SHA-256");
    }
    if (count > 1) {
      return absl::FailedPreconditionError(
          "two keys of the consumer begin with that id; give more digits of the SHA-256");
    }
    std::erase_if(consumer.api_keys, is_named);
  }
  return absl::OkStatus();
}

absl::Status add_keys(Consumer& consumer, const Json& body) {
  const auto digests = text_list(body, "add_key_sha256");
  if (!digests.ok()) return digests.status();
  for (const std::string& hex : *digests) {
    const auto key = sha256_from_hex(hex);
    if (!key) {
      return bad_request("add_key_sha256 must hold SHA-256 digests, 64 hexadecimal digits each");
    }
    if (*key == sha256("")) {
      return bad_request("that is the SHA-256 of an empty text; was the key missing?");
    }
    if (std::ranges::find(consumer.api_keys, *key) == consumer.api_keys.end()) {
      consumer.api_keys.push_back(*key);
    }
  }
  if (consumer.api_keys.size() > kMostKeys) {
    return bad_request("a consumer can have {} keys; revoke some first", kMostKeys);
  }
  return absl::OkStatus();
}

}  // namespace

Json consumer_json(const Consumer& consumer) {
  Json keys = Json::array();
  for (const Sha256& key : consumer.api_keys) keys.push_back({{"id", store::key_id(key)}});
  return {{"id", consumer.id},
          {"tier", consumer.tier.empty() ? Json() : Json(consumer.tier)},
          {"billing_day", consumer.billing_day},
          {"overrides", patch_json(consumer.overrides)},
          {"api_keys", std::move(keys)}};
}

absl::StatusOr<Consumer> change_consumer(Consumer consumer, const std::string& body,
                                         const Policy& policy) {
  const auto json =
      parse_object(body, {"tier", "billing_day", "overrides", "add_key_sha256", "remove_key_ids"});
  if (!json.ok()) return json.status();
  absl::Status status = change_tier(consumer, *json, policy);
  if (status.ok()) status = change_billing_day(consumer, *json);
  if (status.ok()) status = change_overrides(consumer, *json);
  if (status.ok()) status = refuse_unpayable(consumer, policy);
  if (status.ok()) status = remove_keys(consumer, *json);
  if (status.ok()) status = add_keys(consumer, *json);
  if (!status.ok()) return status;
  return consumer;
}

}  // namespace quota::admin
