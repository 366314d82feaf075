#include "engine/decision.h"

namespace quota::engine {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAllowed:
      return "allowed";
    case Outcome::kDenied:
      return "denied";
    case Outcome::kExempt:
      return "exempt";
    case Outcome::kUnauthenticated:
      return "unauthenticated";
  }
  return "unspecified";
}

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::kOk:
      return "ok";
    case Reason::kExempt:
      return "exempt";
    case Reason::kUnlimited:
      return "unlimited";
    case Reason::kMinute:
      return "minute";
    case Reason::kMonth:
      return "month";
    case Reason::kCostExceedsLimit:
      return "cost_exceeds_limit";
    case Reason::kUnknownCredentials:
      return "unknown_credentials";
    case Reason::kCapacity:
      return "capacity";
    case Reason::kStoreUnavailable:
      return "store_unavailable";
    case Reason::kOff:
      return "off";
  }
  return "unspecified";
}

}  // namespace quota::engine
