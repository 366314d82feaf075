#pragma once

#include <cstdint>
#include <string>

#include "policy/policy.h"

namespace quota::identity {

enum class Kind { kConsumer, kAnonymous, kRejected };

// Who is asking, and what they may have before attributes of the single request are looked at.
struct Subject {
  Kind kind = Kind::kAnonymous;
  // Whose bucket: "c:<consumer id>", or "a:" and the bytes of the address or prefix. No credential
  // that is not known ever becomes part of it.
  std::string key;
  std::string consumer;  // empty unless kConsumer
  std::string tier;      // a tier of the policy, or "anonymous"
  policy::Limits limits;
  int billing_day = 1;
  std::string_view how;  // "consumer", "bearer", "api_key", "anonymous", "allowlist": for explain
};

}  // namespace quota::identity
