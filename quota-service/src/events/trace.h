#pragma once

#include <string_view>

namespace quota::events {

// The trace id of a W3C traceparent of version 00; empty when it is not one.
inline std::string_view trace_id_of(std::string_view traceparent) {
  constexpr size_t kTrace = 3;
  constexpr size_t kParent = 36;
  constexpr size_t kFlags = 53;
  if (traceparent.size() != 55 || !traceparent.starts_with("00-") ||
      traceparent[kParent - 1] != '-' || traceparent[kFlags - 1] != '-') {
    return {};
  }
  const std::string_view trace = traceparent.substr(kTrace, 32);
  const std::string_view parent = traceparent.substr(kParent, 16);
  const auto is_hex = [](std::string_view text) {
    return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  };
  const auto is_zero = [](std::string_view text) {
    return text.find_first_not_of('0') == std::string_view::npos;
  };
  if (!is_hex(trace) || !is_hex(parent) || !is_hex(traceparent.substr(kFlags))) return {};
  if (is_zero(trace) || is_zero(parent)) return {};
  return trace;
}

}  // namespace quota::events
