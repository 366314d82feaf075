#include "admin/policy_view.h"

#include "admin/amounts.h"

namespace quota::admin {
namespace {

using policy::Policy;

Json tier_json(std::string_view name, const policy::Limits& limits) {
  Json json = {{"name", name}};
  json.update(limits_json(limits));
  return json;
}

Json endpoint_json(const policy::EndpointRule& rule) {
  return {{"name", rule.name},
          {"method", rule.method.empty() ? Json() : Json(rule.method)},
          {"path", rule.path + (rule.prefix ? "*" : "")},
          {"cost", units(rule.cost)}};
}

Json anonymous_json(const policy::Anonymous& anonymous) {
  Json networks = Json::array();
  for (const Cidr& cidr : anonymous.allowlist) {
    networks.push_back(cidr.network.to_string() + "/" + std::to_string(cidr.bits));
  }
  Json json = limits_json(anonymous.limits);
  json["ipv6_prefix"] = anonymous.ipv6_prefix;
  json["allowlist"] = limits_json(anonymous.allowlist_limits);
  json["allowlist"]["cidrs"] = std::move(networks);
  return json;
}

Json identity_json(const policy::Identity& identity) {
  Json trust = Json::array();
  if (identity.trust_consumer) trust.push_back("consumer");
  if (identity.trust_tier) trust.push_back("tier");
  Json jwt;
  if (identity.jwt) {
    const bool shared = identity.jwt->algorithm == policy::JwtAlgorithm::kHs256;
    jwt = {{"algorithm", shared ? "HS256" : "RS256"},
           {"issuer", identity.jwt->issuer},
           {"audience", identity.jwt->audience},
           {"consumer_claim", identity.jwt->consumer_claim},
           {"tier_claim", identity.jwt->tier_claim}};
  }
  const bool reject = identity.unknown_credentials == policy::UnknownCredentials::kReject;
  return {{"trust", std::move(trust)},
          {"unknown_credentials", reject ? "reject" : "anonymous"},
          {"jwt", std::move(jwt)}};
}

Json attribute_overrides_json(const Policy& policy) {
  Json all = Json::array();
  for (const policy::AttributeOverride& override : policy.attribute_overrides) {
    Json json = {{"attribute", override.name}, {"equals", override.equals}};
    json.update(patch_json(override.patch));
    all.push_back(std::move(json));
  }
  return all;
}

}  // namespace

Json policy_json(const Policy& policy, const policy::LivePolicy::Stats& stats) {
  return {{"source", policy.source},
          {"hash", policy.hash},
          {"loads",
           {{"loaded", stats.loaded},
            {"rejected", stats.rejected},
            {"last_error", stats.last_error.empty() ? Json() : Json(stats.last_error)}}},
          {"mode", policy::to_string(policy.mode)},
          {"store_lost", policy::to_string(policy.store_lost)},
          {"burst", units(policy.burst_milli)},
          {"default_tier", policy.default_tier},
          {"default_cost", units(policy.endpoints.fallback().cost)},
          {"tiers", tiers_json(policy)},
          {"endpoints", endpoints_json(policy)},
          {"anonymous", anonymous_json(policy.anonymous)},
          {"identity", identity_json(policy.identity)},
          {"overrides_by_attribute", attribute_overrides_json(policy)},
          {"consumers", policy.consumers.size()}};
}

Json tiers_json(const Policy& policy) {
  Json all = Json::array();
  for (const policy::Tier& tier : policy.tiers) all.push_back(tier_json(tier.name, tier.limits));
  return all;
}

Json endpoints_json(const Policy& policy) {
  Json all = Json::array();
  for (const policy::EndpointRule& rule : policy.endpoints.rules()) {
    all.push_back(endpoint_json(rule));
  }
  all.push_back(endpoint_json(policy.endpoints.fallback()));
  return all;
}

}  // namespace quota::admin
