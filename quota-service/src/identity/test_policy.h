#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "base/sha256.h"
#include "base/time.h"
#include "identity/check.h"
#include "policy/policy.h"

namespace quota::identity::test {

inline policy::Limits minute(int64_t requests) {
  return {requests * policy::kMilli, policy::Limits::kNone};
}

inline policy::Consumer consumer(std::string id, std::string tier,
                                 const std::vector<std::string>& keys = {}) {
  policy::Consumer result;
  result.id = std::move(id);
  result.tier = std::move(tier);
  for (const std::string& key : keys) result.api_keys.push_back(sha256(key));
  return result;
}

// Tiers free (100 a minute, the default), pro (1000) and partner (unlimited); anonymous clients
// have 30, those of 10.0.0.0/8 have 500. Trusts nothing.
inline policy::Policy basic_policy() {
  policy::Policy policy;
  policy.default_tier = "free";
  policy.tiers = {{"free", minute(100)}, {"pro", minute(1000)}, {"partner", {}}};
  policy.anonymous.limits = minute(30);
  policy.anonymous.allowlist = {*Cidr::parse("10.0.0.0/8")};
  policy.anonymous.allowlist_limits = minute(500);
  policy.index_all();
  return policy;
}

inline Now at(int64_t unix_s) {
  return {.mono_us = unix_s * 1'000'000, .unix_us = unix_s * 1'000'000};
}

inline Check from(std::string_view client_ip) {
  Check check;
  check.client_ip = client_ip;
  return check;
}

inline std::string ip(std::string_view text) {
  return std::string(IpAddress::parse(text)->bytes());
}

}  // namespace quota::identity::test
