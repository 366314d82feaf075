#include "policy/decimal.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"

namespace quota::policy {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

int64_t append_digit(int64_t value, int digit) {
  return value > (kLargest - digit) / 10 ? kLargest : value * 10 + digit;
}

}  // namespace

std::optional<Decimal> parse_decimal(std::string_view text) {
  Decimal number;
  if (text.starts_with('-')) {
    number.negative = true;
    text.remove_prefix(1);
  }
  const size_t point = text.find('.');
  const std::string_view units = text.substr(0, point);
  if (!all_digits(units) || (units.size() > 1 && units[0] == '0')) return std::nullopt;

  std::string_view fraction;
  if (point != std::string_view::npos) {
    fraction = text.substr(point + 1);
    if (!all_digits(fraction)) return std::nullopt;
  }
  number.decimals = static_cast<int>(std::min<size_t>(fraction.size(), 1000));
  for (const char digit : units) number.milli = append_digit(number.milli, digit - '0');
  for (size_t i = 0; i < 3; ++i) {
    number.milli = append_digit(number.milli, i < fraction.size() ? fraction[i] - '0' : 0);
  }
  return number;
}

std::string milli_to_string(int64_t milli) {
  std::string text = std::to_string(milli / 1000);
  if (const int64_t rest = milli % 1000; rest != 0) {
    text += fmt::format(".{:03}", rest);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text;
}

}  // namespace quota::policy
