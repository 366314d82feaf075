#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quota::usage {

// How many whole months are kept besides the one that goes on.
inline constexpr int kMonthsKept = 13;

// The day in UTC, in days since 1970.
int32_t day_at(int64_t unix_us);
// "2026-11-20"
std::string day_text(int32_t day);

// A calendar month in UTC.
class Month {
 public:
  static Month of_day(int32_t day);
  // "2026-11", and nothing else: 1970-01 to 9999-12.
  static std::optional<Month> parse(std::string_view text);

  std::string text() const;
  int number() const;  // 202611: for people who look into a table
  int32_t first_day() const;
  Month plus(int months) const { return Month(month_ + std::chrono::months(months)); }

  friend bool operator==(const Month&, const Month&) = default;
  friend auto operator<=>(const Month&, const Month&) = default;

 private:
  explicit Month(std::chrono::year_month month) : month_(month) {}

  std::chrono::year_month month_;
};

}  // namespace quota::usage
