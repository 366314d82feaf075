#include "policy/validate.h"

#include <algorithm>
#include <iterator>

#include "absl/container/flat_hash_set.h"
#include "policy/decimal.h"
#include "policy/names.h"

namespace quota::policy {
namespace {

void check_tiers(const Draft& draft, Faults& faults) {
  const absl::flat_hash_set<std::string_view> names(draft.tier_names.begin(),
                                                    draft.tier_names.end());
  bool told_of_default = false;  // once is enough for a hundred thousand consumers
  for (const TierUse& use : draft.tier_uses) {
    if (!use.tier.empty()) {
      if (names.contains(use.tier)) continue;
      // Names that are wrong are not worth offering, nor fit to be shown.
      std::vector<std::string_view> known;
      std::copy_if(draft.tier_names.begin(), draft.tier_names.end(), std::back_inserter(known),
                   is_tier_name);
      faults.add(use.at, Message::kUnknownTier, show(use.tier),
                 known.empty() ? "define it under `tiers`" : hint(use.tier, known));
    } else if (draft.policy.default_tier.empty() && !told_of_default) {
      faults.add(use.at, Message::kNoDefaultTier, use.whose);
      told_of_default = true;
    }
  }
}

bool same(const EndpointRule& a, const EndpointRule& b) {
  return a.method == b.method && a.path == b.path && a.prefix == b.prefix;
}

// True when every request that matches `late` matches `early` too.
bool covers(const EndpointRule& early, const EndpointRule& late) {
  if (!early.method.empty() && early.method != late.method) return false;
  return early.prefix ? late.path.starts_with(early.path) : !late.prefix && late.path == early.path;
}

void check_endpoints(const Draft& draft, Faults& faults) {
  for (size_t late = 0; late < draft.rules.size(); ++late) {
    for (size_t early = 0; early < late; ++early) {
      const EndpointRule& first = draft.rules[early];
      const EndpointRule& second = draft.rules[late];
      if (!covers(first, second)) continue;
      if (same(first, second)) {
        faults.add(draft.rule_at[late], Message::kDuplicateEndpoint, show(second.name),
                   draft.rule_at[early].line);
      } else {
        faults.add(draft.rule_at[late], Message::kHiddenEndpoint, show(second.name),
                   show(first.name), draft.rule_at[early].line);
      }
      break;
    }
  }
}

struct Dearest {
  std::string what;
  int64_t cost = 0;
  Position at;
};

// Who can pay for the dearest endpoint can pay for all; so each limit has one fault at most.
Dearest find_dearest(const Draft& draft) {
  Dearest dearest{"other endpoints (default_cost)", draft.default_cost,
                  draft.default_cost_at.value_or(Position{})};
  for (size_t i = 0; i < draft.rules.size(); ++i) {
    const EndpointRule& rule = draft.rules[i];
    if (rule.cost > dearest.cost) {
      dearest = {"endpoint " + show(rule.name), rule.cost, draft.rule_at[i]};
    }
  }
  return dearest;
}

void check_costs(const Draft& draft, Faults& faults) {
  const Dearest dearest = find_dearest(draft);
  for (const WrittenLimit& limit : draft.minutes) {
    const int64_t capacity = draft.policy.capacity(limit.value);
    if (dearest.cost <= capacity) continue;
    faults.add(limit.at.value_or(dearest.at), Message::kMinuteTooSmall, limit.whose, dearest.what,
               milli_to_string(dearest.cost), milli_to_string(capacity),
               milli_to_string(limit.value), milli_to_string(draft.policy.burst_milli));
  }
  for (const WrittenLimit& limit : draft.months) {
    if (dearest.cost <= limit.value) continue;
    faults.add(limit.at.value_or(dearest.at), Message::kMonthTooSmall, limit.whose, dearest.what,
               milli_to_string(dearest.cost), milli_to_string(limit.value));
  }
}

}  // namespace

void validate(const Draft& draft, Faults& faults) {
  check_tiers(draft, faults);
  check_endpoints(draft, faults);
  check_costs(draft, faults);
}

}  // namespace quota::policy
