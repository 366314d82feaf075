#include <fmt/format.h>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "policy/read_limits.h"
#include "policy/sections.h"

namespace quota::policy {
namespace {

constexpr size_t kMaxNetworks = 10'000;
// A shorter IPv6 prefix would put whole countries into one bucket. A longer one than a /64 lets a
// client change its address at will, but is right where addresses are assigned one by one.
constexpr int64_t kMinIpv6Prefix = 16;
constexpr int64_t kMaxIpv6Prefix = 128;

constexpr std::string_view kWhyNoMonth = "months are kept for good and addresses have no end";

std::string to_string(const Cidr& cidr) {
  return fmt::format("{}/{}", cidr.network.to_string(), cidr.bits);
}

// What a network with bits behind its mask was probably meant to be.
std::optional<Cidr> without_host_bits(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(text.substr(0, slash));
  int bits = 0;
  if (!address || !absl::SimpleAtoi(std::string(text.substr(slash + 1)), &bits)) {
    return std::nullopt;
  }
  return Cidr::parse(to_string({address->prefix(bits), bits}));
}

void read_networks(const std::vector<YamlNode>& nodes, Position at, std::vector<Cidr>& networks,
                   Faults& faults) {
  if (!within(nodes.size(), kMaxNetworks, "networks", at, faults)) return;
  absl::flat_hash_map<std::string, int> line_of;
  for (const YamlNode& node : nodes) {
    const std::string* text = element_text(node, "a network", faults);
    if (text == nullptr) continue;
    const auto network = Cidr::parse(*text);
    if (!network) {
      if (const auto meant = without_host_bits(*text)) {
        faults.add(node.at, Message::kHostBits, show(*text), to_string(*meant));
      } else {
        faults.add(node.at, Message::kNotNetwork, show(*text));
      }
      continue;
    }
    const auto [found, is_new] = line_of.emplace(to_string(*network), node.at.line);
    if (!is_new) faults.add(node.at, Message::kDuplicateNetwork, show(*text), found->second);
    networks.push_back(*network);
  }
}

void read_allowlist(const YamlNode& node, Draft& draft, Faults& faults) {
  const size_t faults_before = faults.size();
  const Fields fields(node, "anonymous.allowlist", {"cidrs", kMinuteKey, kUnlimitedKey, kMonthKey},
                      faults);
  Anonymous& anonymous = draft.policy.anonymous;
  read_networks(fields.list("cidrs"), fields.at("cidrs"), anonymous.allowlist, faults);
  refuse_month(fields, kWhyNoMonth, faults);
  read_unlimited(fields, faults);
  if (const auto minute = read_minute(fields, fields.where(), draft)) {
    anonymous.allowlist_limits.minute = *minute;
  }
  if (!anonymous.allowlist.empty()) require_limit(fields, kMinuteKey, faults_before, faults);
}

}  // namespace

void read_anonymous(const YamlNode& node, Draft& draft, Faults& faults) {
  const Fields fields(node, "anonymous",
                      {kMinuteKey, "ipv6_prefix", "allowlist", kUnlimitedKey, kMonthKey}, faults);
  Anonymous& anonymous = draft.policy.anonymous;
  refuse_month(fields, kWhyNoMonth, faults);
  const bool unlimited = read_unlimited(fields, faults);
  if (const auto minute = read_minute(fields, fields.where(), draft)) {
    anonymous.limits.minute = *minute;
  } else if (unlimited) {
    anonymous.limits = Limits{};
  } else if (!fields.has(kMinuteKey)) {
    draft.minutes.push_back({fields.where(), anonymous.limits.minute, std::nullopt});
  }
  if (const auto bits = fields.whole("ipv6_prefix", kMinIpv6Prefix, kMaxIpv6Prefix)) {
    anonymous.ipv6_prefix = static_cast<int>(*bits);
  }
  if (const YamlNode* allowlist = fields.find("allowlist")) {
    read_allowlist(*allowlist, draft, faults);
  }
}

}  // namespace quota::policy
