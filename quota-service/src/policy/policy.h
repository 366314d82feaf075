#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/ip.h"
#include "base/sha256.h"
#include "base/string_map.h"
#include "policy/endpoints.h"

// What may be had: the immutable result of reading policy.yaml. All amounts of cost are integers in
// thousandths of a cost unit ("milli").
namespace quota::policy {

inline constexpr int64_t kMilli = 1000;

struct Limits {
  static constexpr int64_t kNone = -1;  // this limit does not apply
  int64_t minute = kNone;
  int64_t month = kNone;

  bool unlimited() const { return minute == kNone && month == kNone; }
  friend bool operator==(const Limits&, const Limits&) = default;
};

// Replaces the limits that it names and leaves the others as they are.
struct LimitsPatch {
  std::optional<int64_t> minute;
  std::optional<int64_t> month;

  void apply_to(Limits& limits) const {
    if (minute) limits.minute = *minute;
    if (month) limits.month = *month;
  }
  friend bool operator==(const LimitsPatch&, const LimitsPatch&) = default;
};

struct Tier {
  std::string name;
  Limits limits;
  uint32_t index = 0;  // in Policy::tiers
};

// A customer, from policy.yaml or managed through the admin API.
struct Consumer {
  std::string id;
  std::string tier;  // empty: the policy's default_tier
  LimitsPatch overrides;
  int billing_day = 1;  // 1..31; in a shorter month, its last day
  std::vector<Sha256> api_keys;
};

// Applies to every request whose attribute `name` equals `equals`.
struct AttributeOverride {
  std::string name;
  std::string equals;
  LimitsPatch patch;
};

struct Anonymous {
  Limits limits{30 * kMilli, Limits::kNone};
  int ipv6_prefix = 64;
  std::vector<Cidr> allowlist;
  Limits allowlist_limits;
};

enum class JwtAlgorithm { kHs256, kRs256 };

struct Jwt {
  JwtAlgorithm algorithm = JwtAlgorithm::kHs256;
  std::string key;  // the secret, or the public key in PEM; never shown
  std::string issuer;
  std::string audience;
  std::string consumer_claim = "sub";
  std::string tier_claim = "tier";
};

enum class UnknownCredentials { kAnonymous, kReject };

struct Identity {
  bool trust_consumer = false;
  bool trust_tier = false;
  UnknownCredentials unknown_credentials = UnknownCredentials::kAnonymous;
  std::optional<Jwt> jwt;
};

enum class Mode { kEnforce, kShadow, kOff };
enum class StoreLost { kLocalShare, kAllow, kDeny };

std::string_view to_string(Mode mode);
std::optional<Mode> mode_from(std::string_view word);  // as to_string writes it
std::string_view to_string(StoreLost store_lost);

class Policy {
 public:
  int64_t burst_milli = 1500;  // a bucket holds limit × burst
  std::string default_tier;
  std::vector<Tier> tiers;
  Endpoints endpoints;
  Anonymous anonymous;
  Identity identity;
  std::vector<Consumer> consumers;
  std::vector<AttributeOverride> attribute_overrides;
  Mode mode = Mode::kEnforce;
  StoreLost store_lost = StoreLost::kLocalShare;
  std::string hash;    // the first 12 hexadecimal digits of the source's SHA-256
  std::string source;  // file name, or "built-in"

  // Built by index_all() once the vectors above are final.
  const Tier* find_tier(std::string_view name) const;
  const Consumer* find_consumer(std::string_view id) const;
  const Consumer* find_consumer_by_key(const Sha256& key) const;
  void index_all();

  int64_t capacity(int64_t minute_limit) const { return minute_limit * burst_milli / 1000; }

 private:
  StringMap<size_t> tier_index_;
  StringMap<size_t> consumer_index_;
  absl::flat_hash_map<Sha256, size_t> key_index_;
};

}  // namespace quota::policy
