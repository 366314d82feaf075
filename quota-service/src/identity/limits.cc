#include "identity/limits.h"

#include <algorithm>

namespace quota::identity {
namespace {

bool matches(const policy::AttributeOverride& wanted, const Check& check,
             const policy::Identity& identity) {
  // An attribute that only bears one of these names is not the asserted field.
  if (wanted.name == "consumer") {
    return identity.trust_consumer && check.consumer == wanted.equals;
  }
  if (wanted.name == "tier") return identity.trust_tier && check.tier == wanted.equals;
  return std::ranges::any_of(check.attributes, [&](const Attribute& attribute) {
    return attribute.name == wanted.name && attribute.value == wanted.equals;
  });
}

}  // namespace

policy::Limits limits_for(const Check& check, const Subject& subject,
                          const policy::Policy& policy) {
  policy::Limits limits = subject.limits;
  for (const policy::AttributeOverride& override : policy.attribute_overrides) {
    if (!matches(override, check, policy.identity)) continue;
    override.patch.apply_to(limits);
    break;
  }
  return limits;
}

}  // namespace quota::identity
