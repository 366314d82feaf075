#pragma once

#include "policy/draft.h"

namespace quota::policy {

// The rules that need all of the policy: that every tier named exists, that every endpoint can be
// reached, and that everybody who is limited can pay for every endpoint.
void validate(const Draft& draft, Faults& faults);

}  // namespace quota::policy
