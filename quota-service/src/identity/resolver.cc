#include "identity/resolver.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/sha256.h"
#include "base/siphash.h"
#include "identity/credential_cache.h"
#include "identity/jwt.h"
#include "policy/names.h"

namespace quota::identity {
namespace {

constexpr std::string_view kScheme = "bearer";
constexpr std::string_view kBlank = " \t";
constexpr std::string_view kAnonymousKey = "a:";
constexpr size_t kMaxConsumerBytes = 128;  // no longer name is hashed: none is a consumer id

// The token in "Bearer <token>" or in a bare "<token>"; empty when there is none, as in the
// credentials of another scheme.
std::string_view bearer_token(std::string_view value) {
  const size_t end = value.find_last_not_of(kBlank) + 1;
  const size_t start = std::min(value.find_first_not_of(kBlank), end);
  value = value.substr(start, end - start);
  const size_t blank = std::min(value.find_first_of(kBlank), value.size());
  const bool is_bearer =
      blank == kScheme.size() && strncasecmp(value.data(), kScheme.data(), blank) == 0;
  if (blank == value.size()) return is_bearer ? std::string_view() : value;
  if (!is_bearer) return {};
  return value.substr(value.find_first_not_of(kBlank, blank));
}

}  // namespace

class Resolver::Impl {
 public:
  Impl(Directory& directory, ResolverLimits limits)
      : directory_(directory), cache_(limits.cached_credentials) {
    for (Place& place : places_) {
      // Room for the longest key, so that no address allocates.
      place.anonymous.key.reserve(kAnonymousKey.size() + 16);
      place.allowlisted.key.reserve(kAnonymousKey.size() + 16);
      place.pending.kind = Kind::kPending;
    }
  }

  void begin(const policy::Policy& policy, uint64_t policy_generation, Now now) {
    mono_us_ = now.mono_us;
    unix_s_ = now.unix_us / 1'000'000;
    const uint64_t directory_generation = directory_.generation();
    const bool new_policy = policy_ != &policy || policy_generation_ != policy_generation;
    if (!new_policy && directory_generation_ == directory_generation) return;
    directory_generation_ = directory_generation;
    cache_.clear();
    if (!new_policy) return;
    policy_ = &policy;
    policy_generation_ = policy_generation;
    prepare_for_policy();
  }

  const Subject& resolve(const Check& check, const std::shared_ptr<Awaiter>& awaiter,
                         size_t place) {
    if (place == 0) cache_.drop_forgotten();
    place_ = &places_[place];
    awaiter_ = &awaiter;
    is_uncertain_ = false;
    const policy::Tier* const asserted = asserted_tier(check);
    if (policy_->identity.trust_consumer && !check.consumer.empty()) {
      if (const Subject* known = by_consumer(check.consumer, asserted)) return *known;
    }
    std::string_view refused;
    if (verifier_) {
      if (const std::string_view token = bearer_token(check.bearer); !token.empty()) {
        if (const Subject* known = by_token(token, asserted)) return *known;
        refused = "bearer";
      }
    }
    if (!check.api_key.empty()) {
      if (const Subject* known = by_api_key(check.api_key, asserted)) return *known;
      refused = "api_key";
    }
    if (!refused.empty() &&
        policy_->identity.unknown_credentials == policy::UnknownCredentials::kReject) {
      place_->rejected.how = refused;
      place_->rejected.is_uncertain = is_uncertain_;
      return place_->rejected;
    }
    return by_address(check.client_ip);
  }

  size_t cached() const { return cache_.size(); }

 private:
  void prepare_for_policy() {
    const policy::Anonymous& anonymous = policy_->anonymous;
    const auto prepare = [](Subject& subject, Kind kind, const policy::Limits& limits,
                            std::string_view how) {
      subject.kind = kind;
      subject.tier = policy::kAnonymousTier;
      subject.limits = limits;
      subject.how = how;
    };
    for (Place& place : places_) {
      prepare(place.anonymous, Kind::kAnonymous, anonymous.limits, "anonymous");
      prepare(place.allowlisted, Kind::kAnonymous, anonymous.allowlist_limits, "allowlist");
      prepare(place.rejected, Kind::kRejected, anonymous.limits, "");
    }
    last_tier_ = nullptr;
    verifier_.reset();
    if (policy_->identity.jwt) verifier_.emplace(*policy_->identity.jwt);
  }

  const policy::Tier* asserted_tier(const Check& check) {
    if (!policy_->identity.trust_tier || check.tier.empty()) return nullptr;
    // Most checks say the same tier as the one before.
    if (last_tier_ == nullptr || last_tier_->name != check.tier) {
      last_tier_ = policy_->find_tier(check.tier);
    }
    return last_tier_;
  }

  // Each of these gives null when the credential stands for nobody.

  const Subject* by_consumer(std::string_view id, const policy::Tier* asserted) {
    if (id.size() > kMaxConsumerBytes) return nullptr;
    return remembered(Credential::kConsumer, id, asserted, [&] {
      Finding finding;
      if (policy::is_consumer_id(id)) finding.subject = describe(id, asserted, "consumer");
      return finding;
    });
  }

  const Subject* by_token(std::string_view token, const policy::Tier* asserted) {
    if (token.size() > kMaxTokenBytes) return nullptr;
    return remembered(Credential::kBearer, token, asserted, [&] {
      const JwtResult result = verifier_->verify(token, unix_s_);
      Finding finding{.subject = nullptr,
                      .from_unix_s = result.from_unix_s,
                      .until_unix_s = result.until_unix_s};
      if (result.status == JwtStatus::kValid) {
        const policy::Tier* const claimed = policy_->find_tier(result.tier);
        finding.subject = describe(result.consumer, claimed ? claimed : asserted, "bearer");
      }
      return finding;
    });
  }

  const Subject* by_api_key(std::string_view key, const policy::Tier* asserted) {
    if (key.size() > kMaxApiKeyBytes) return nullptr;
    return remembered(Credential::kApiKey, key, asserted, [&] {
      Finding finding;
      const Sha256 digest = sha256(key);
      if (const policy::Consumer* const listed = policy_->find_consumer_by_key(digest)) {
        finding.subject = describe(*listed, asserted, "api_key");
      } else if (const auto managed = take(directory_.look_up_by_key(digest, mono_us_, *awaiter_));
                 managed && !policy_->find_consumer(managed->id)) {
        finding.subject = describe(*managed, asserted, "api_key");
      }
      return finding;
    });
  }

  template <typename Look>
  const Subject* remembered(Credential kind, std::string_view value, const policy::Tier* asserted,
                            Look look) {
    CredentialKey key{.hash = siphash128(secret_, value), .kind = kind, .asserted_tier = 0};
    if (asserted) key.asserted_tier = asserted->index + 1;
    if (const Finding* finding = cache_.find(key, unix_s_)) return finding->subject.get();
    is_pending_ = false;
    lasts_us_ = Answer::kForever;
    Finding found = look();
    if (is_pending_) return &place_->pending;
    if (is_uncertain_) {
      place_->passing = std::move(found.subject);
      return place_->passing.get();
    }
    if (lasts_us_ != Answer::kForever) {
      found.from_unix_s = std::max(found.from_unix_s, unix_s_);
      found.until_unix_s =
          std::min(found.until_unix_s, unix_s_ + std::max<int64_t>(lasts_us_ / 1'000'000, 1));
    }
    return cache_.insert(key, std::move(found)).subject.get();
  }

  // The consumer in an answer, if there is one, and a note of what that answer is worth.
  ConsumerPtr take(Answer answer) {
    switch (answer.state) {
      case Answer::State::kKnown:
      case Answer::State::kAbsent:
        lasts_us_ = std::min(lasts_us_, answer.lasts_us);
        break;
      case Answer::State::kPending:
        if (*awaiter_) {
          is_pending_ = true;
          place_->pending.lookup = answer.lookup;
          break;
        }
        [[fallthrough]];
      case Answer::State::kUnavailable:
        is_uncertain_ = true;
    }
    return std::move(answer.consumer);
  }

  // A consumer that is known by name: the policy's record of it hides the managed one as a whole,
  // its keys included; without any record it is a consumer all the same.
  std::unique_ptr<const Subject> describe(std::string_view id, const policy::Tier* tier,
                                          std::string_view how) {
    if (const policy::Consumer* const listed = policy_->find_consumer(id)) {
      return describe(*listed, tier, how);
    }
    if (const auto managed = take(directory_.look_up(id, mono_us_, *awaiter_))) {
      return describe(*managed, tier, how);
    }
    policy::Consumer unrecorded;
    unrecorded.id = id;
    return describe(unrecorded, tier, how);
  }

  // `tier` is what the request itself says, if it says any.
  std::unique_ptr<const Subject> describe(const policy::Consumer& record, const policy::Tier* tier,
                                          std::string_view how) {
    if (!tier) tier = policy_->find_tier(record.tier);
    if (!tier) tier = policy_->find_tier(policy_->default_tier);
    auto subject = std::make_unique<Subject>();
    subject->kind = Kind::kConsumer;
    subject->key = "c:" + record.id;
    subject->consumer = record.id;
    subject->tier = tier ? std::string_view(tier->name) : policy::kAnonymousTier;
    subject->tier_entry = tier;
    subject->limits = tier ? tier->limits : policy_->anonymous.limits;
    record.overrides.apply_to(subject->limits);
    subject->billing_day = record.billing_day;
    subject->how = how;
    subject->is_uncertain = is_uncertain_;
    return subject;
  }

  const Subject& by_address(std::string_view client_ip) {
    const std::optional<IpAddress> address = IpAddress::from_bytes(client_ip);
    if (!address) {
      place_->anonymous.key = kAnonymousKey;
      place_->anonymous.is_uncertain = is_uncertain_;
      return place_->anonymous;
    }
    const policy::Anonymous& anonymous = policy_->anonymous;
    const auto entry = std::ranges::find_if(
        anonymous.allowlist, [&](const Cidr& cidr) { return cidr.contains(*address); });
    const bool listed = entry != anonymous.allowlist.end();
    // An address that is listed apart from the rest of its prefix must not share their bucket.
    const bool whole = address->is_v4() || (listed && entry->bits > anonymous.ipv6_prefix);
    const IpAddress client = whole ? *address : address->prefix(anonymous.ipv6_prefix);
    Subject& subject = listed ? place_->allowlisted : place_->anonymous;
    subject.key = kAnonymousKey;
    subject.key += client.bytes();
    subject.is_uncertain = is_uncertain_;
    return subject;
  }

  Directory& directory_;
  const SipKey secret_ = random_sip_key();
  CredentialCache cache_;
  const policy::Policy* policy_ = nullptr;
  uint64_t policy_generation_ = 0;
  uint64_t directory_generation_ = 0;
  int64_t mono_us_ = 0;
  int64_t unix_s_ = 0;
  std::optional<JwtVerifier> verifier_;
  const policy::Tier* last_tier_ = nullptr;  // that was asserted; of policy_
  // Subjects that are not in the cache, of one check. What changes from one anonymous client to the
  // next is only the key.
  struct Place {
    Subject anonymous;
    Subject allowlisted;
    Subject rejected;
    Subject pending;
    std::unique_ptr<const Subject> passing;  // a result that is not kept
  };
  std::array<Place, kPlaces> places_;

  // Of the check that is being resolved.
  Place* place_ = nullptr;
  const std::shared_ptr<Awaiter>* awaiter_ = nullptr;
  bool is_uncertain_ = false;  // some look-up was not possible, or would take time
  // Of the credential that is being looked at.
  bool is_pending_ = false;
  int64_t lasts_us_ = Answer::kForever;
};

Resolver::Resolver(Directory& directory, ResolverLimits limits)
    : impl_(std::make_unique<Impl>(directory, limits)) {}

Resolver::~Resolver() = default;

void Resolver::begin(const policy::Policy& policy, uint64_t policy_generation, Now now) {
  impl_->begin(policy, policy_generation, now);
}

const Subject& Resolver::resolve(const Check& check, const std::shared_ptr<Awaiter>& awaiter,
                                 size_t place) {
  return impl_->resolve(check, awaiter, place);
}

size_t Resolver::cached() const { return impl_->cached(); }

}  // namespace quota::identity
