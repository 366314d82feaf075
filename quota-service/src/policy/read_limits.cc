#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "policy/names.h"
#include "policy/sections.h"

namespace quota::policy {
namespace {

constexpr int64_t kMaxMinute = 1'000'000'000;
constexpr int64_t kMaxMonth = 1'000'000'000'000'000;
constexpr size_t kMaxTiers = 64;
constexpr size_t kMaxNetworks = 10'000;
// An IPv6 prefix shorter than this would put whole countries into one bucket; longer than a /64 is
// allowed although a client may then change its address at will, because some networks are managed.
constexpr int64_t kMinIpv6Prefix = 16;
constexpr int64_t kMaxIpv6Prefix = 128;

constexpr std::string_view kMinute = "requests_per_minute";
constexpr std::string_view kMonth = "monthly_quota";
constexpr std::string_view kUnlimited = "unlimited";

std::optional<int64_t> read_limit(const Fields& fields, std::string_view key, int64_t most,
                                  std::vector<WrittenLimit>& written) {
  const auto units = fields.whole(key, 1, most);
  if (!units) return std::nullopt;
  const int64_t milli = *units * kMilli;
  written.push_back({fields.where(), milli, fields.at(key)});
  return milli;
}

// True when the mapping says `unlimited: true`, and then nothing else.
bool read_unlimited(const Fields& fields, Faults& faults) {
  if (!fields.flag(kUnlimited).value_or(false)) return false;
  for (const std::string_view key : {kMinute, kMonth}) {
    if (fields.has(key)) {
      faults.add(fields.at(key), Message::kUnlimitedAndLimited, fields.where(), key);
    }
  }
  return true;
}

bool says_nothing(const Fields& fields, bool unlimited) {
  return !unlimited && !fields.has(kMinute) && !fields.has(kMonth);
}

void refuse_month(const Fields& fields, Faults& faults) {
  if (fields.has(kMonth)) {
    faults.add(fields.at(kMonth), Message::kMonthNotHere, fields.where(),
               "months are kept for good and addresses have no end");
  }
}

std::string to_string(const Cidr& cidr) {
  return fmt::format("{}/{}", cidr.network.to_string(), cidr.bits);
}

// What a network with bits behind its mask was probably meant to be.
std::optional<Cidr> without_host_bits(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(text.substr(0, slash));
  int bits = 0;
  if (!address || !absl::SimpleAtoi(std::string(text.substr(slash + 1)), &bits) || bits < 0)
    return std::nullopt;
  return Cidr::parse(to_string({address->prefix(bits), bits}));
}

void read_networks(const std::vector<YamlNode>& nodes, Position at, Draft& draft, Faults& faults) {
  if (!within(nodes.size(), kMaxNetworks, "networks", at, faults)) return;
  absl::flat_hash_map<std::string, int> line_of;
  for (const YamlNode& node : nodes) {
    const std::string* text = element_text(node, "a network", faults);
    if (text == nullptr) continue;
    const auto cidr = Cidr::parse(*text);
    if (!cidr) {
      const auto meant = without_host_bits(*text);
      if (meant) {
        faults.add(node.at, Message::kHostBits, show(*text), to_string(*meant));
      } else {
        faults.add(node.at, Message::kNotNetwork, show(*text));
      }
      continue;
    }
    const auto [found, is_new] = line_of.emplace(to_string(*cidr), node.at.line);
    if (!is_new) {
      faults.add(node.at, Message::kDuplicateNetwork, show(*text), found->second);
    }
    draft.policy.anonymous.allowlist.push_back(*cidr);
  }
}

void read_allowlist(const YamlNode& node, Draft& draft, Faults& faults) {
  const Fields fields(node, "anonymous.allowlist", {"cidrs", kMinute, kUnlimited, kMonth}, faults);
  read_networks(fields.list("cidrs"), fields.at("cidrs"), draft, faults);
  refuse_month(fields, faults);
  const bool unlimited = read_unlimited(fields, faults);
  const auto minute = read_minute(fields, draft);
  if (minute) draft.policy.anonymous.allowlist_limits.minute = *minute;
  if (says_nothing(fields, unlimited) && !fields.list("cidrs").empty()) {
    faults.add(fields.at(), Message::kNoLimit, fields.where(), kMinute);
  }
}

}  // namespace

std::optional<int64_t> read_minute(const Fields& fields, Draft& draft) {
  return read_limit(fields, kMinute, kMaxMinute, draft.minutes);
}

std::optional<int64_t> read_month(const Fields& fields, Draft& draft) {
  return read_limit(fields, kMonth, kMaxMonth, draft.months);
}

void read_tiers(const YamlNode& node, Draft& draft, Faults& faults) {
  if (node.kind == YamlNode::Kind::kNull) return;
  if (node.kind != YamlNode::Kind::kMap) {
    faults.add(node.at, Message::kNotMapping, "`tiers`", describe(node));
    return;
  }
  if (!within(node.keys.size(), kMaxTiers, "tiers", node.at, faults)) return;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const YamlKey& name = node.keys[i];
    draft.tier_names.push_back(name.text);
    if (name.text == kAnonymousTier) {
      faults.add(name.at, Message::kTierReserved);
    } else if (!is_tier_name(name.text)) {
      faults.add(name.at, Message::kTierName, show(name.text));
    }
    const Fields fields(node.items[i], "tier " + show(name.text), {kMinute, kMonth, kUnlimited},
                        faults);
    const bool unlimited = read_unlimited(fields, faults);
    LimitsPatch limits{read_minute(fields, draft), read_month(fields, draft)};
    if (says_nothing(fields, unlimited)) {
      faults.add(fields.at(), Message::kNoLimit, fields.where(),
                 "requests_per_minute or monthly_quota");
    }
    Tier& tier = draft.policy.tiers.emplace_back();
    tier.name = name.text;
    limits.apply_to(tier.limits);
  }
}

void read_anonymous(const YamlNode& node, Draft& draft, Faults& faults) {
  const Fields fields(node, "anonymous", {kMinute, "ipv6_prefix", "allowlist", kUnlimited, kMonth},
                      faults);
  Anonymous& anonymous = draft.policy.anonymous;
  refuse_month(fields, faults);
  if (read_unlimited(fields, faults)) {
    anonymous.limits = Limits{};
  } else if (const auto minute = read_minute(fields, draft)) {
    anonymous.limits.minute = *minute;
  } else if (!fields.has(kMinute)) {
    draft.minutes.push_back({fields.where(), anonymous.limits.minute, std::nullopt});
  }
  if (const auto bits = fields.whole("ipv6_prefix", kMinIpv6Prefix, kMaxIpv6Prefix)) {
    anonymous.ipv6_prefix = static_cast<int>(*bits);
  }
  if (const YamlNode* allowlist = fields.find("allowlist"))
    read_allowlist(*allowlist, draft, faults);
}

}  // namespace quota::policy
