#pragma once

#include "identity/check.h"
#include "identity/subject.h"
#include "policy/policy.h"

namespace quota::identity {

// What the subject may have in this one request: the first of the policy's overrides_by_attribute
// that matches replaces what it names, whoever asks. An override by "consumer" or "tier" looks at
// what the gateway asserts, and matches only where the policy trusts that.
policy::Limits limits_for(const Check& check, const Subject& subject, const policy::Policy& policy);

}  // namespace quota::identity
