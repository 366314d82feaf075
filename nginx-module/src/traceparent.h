// The header by which traces are followed from one server to the next (W3C Trace Context).
#pragma once

#include <string_view>

namespace quota {

inline constexpr std::string_view kTraceparent = "traceparent";

// Whether `value` is as long as a traceparent of version 00 and has only characters that such a one
// may have. The sidecar looks more closely.
inline bool may_be_traceparent(std::string_view value) {
  constexpr size_t kLength = 55;
  return value.size() == kLength &&
         value.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

}  // namespace quota
