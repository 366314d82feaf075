#pragma once

namespace quota::rls {

enum class HeaderStyle { kBoth, kLegacy, kIetf, kOff };

// What becomes of a request that cannot be decided.
enum class OnError { kError, kAllow, kDeny };

struct Options {
  HeaderStyle headers = HeaderStyle::kBoth;
  bool body = true;  // of refusals
  OnError on_error = OnError::kError;
};

}  // namespace quota::rls
