#pragma once

#include <cstdint>
#include <string_view>

namespace quota::engine {

enum class Outcome : uint8_t { kAllowed = 1, kDenied = 2, kExempt = 3, kUnauthenticated = 4 };

// Why. A closed set: these are label values of quota_decisions_total.
enum class Reason : uint8_t {
  kOk,
  kExempt,              // the endpoint costs nothing
  kUnlimited,           // the tier has no limits
  kMinute,              // the minute bucket does not hold the cost
  kMonth,               // the month does not hold the cost
  kCostExceedsLimit,    // no bucket of this subject could ever hold the cost
  kUnknownCredentials,  // identity.unknown_credentials: reject
  kCapacity,            // too many subjects at once; nobody was pushed out for this one
  kStoreUnavailable,    // store_lost: deny
  kOff,                 // mode: off
};
inline constexpr int kReasons = 10;

std::string_view to_string(Outcome outcome);
std::string_view to_string(Reason reason);

// The state of one limit after the decision. limit < 0: the subject has no such limit.
struct LimitState {
  int64_t limit = -1;         // milli
  int64_t remaining = 0;      // milli, 0..limit
  int64_t reset_unix_us = 0;  // when `remaining` is `limit` again if nothing more is spent
  int64_t window_s = 0;
};

struct Decision {
  Outcome outcome = Outcome::kAllowed;
  Reason reason = Reason::kOk;
  bool shadow = false;    // would have been denied, but the policy's mode is shadow
  bool degraded = false;  // decided without the store
  int64_t retry_after_us = 0;
  LimitState minute;
  LimitState month;
};

}  // namespace quota::engine
