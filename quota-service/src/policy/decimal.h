#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quota::policy {

// A decimal number exactly as it was written; money-like amounts never pass through a double.
struct Decimal {
  bool negative = false;
  int64_t milli = 0;  // of the absolute value; the largest int64_t when it does not fit
  int decimals = 0;   // digits written after the point; milli holds the first three of them
};

// Digits, at most one point with digits on both sides, perhaps a minus in front; nothing else: no
// exponent, hexadecimal, infinity, separators, or leading zeros (octal to some readers of YAML).
std::optional<Decimal> parse_decimal(std::string_view text);

// 1500 -> "1.5"
std::string milli_to_string(int64_t milli);

}  // namespace quota::policy
