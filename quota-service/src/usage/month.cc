#include "usage/month.h"

#include <cstdio>

namespace quota::usage {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int64_t kDayUs = 86'400'000'000;

int year_of(std::chrono::year_month month) { return static_cast<int>(month.year()); }
unsigned month_of(std::chrono::year_month month) { return static_cast<unsigned>(month.month()); }

}  // namespace

int32_t day_at(int64_t unix_us) { return static_cast<int32_t>(unix_us / kDayUs); }

std::string day_text(int32_t day) {
  const year_month_day date{sys_days{days{day}}};
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text;
}

Month Month::of_day(int32_t day) {
  const year_month_day date{sys_days{days{day}}};
  return Month(date.year() / date.month());
}

std::optional<Month> Month::parse(std::string_view text) {
  if (text.size() != 7 || text[4] != '-') return std::nullopt;
  int digits = 0;
  for (const size_t at : {0, 1, 2, 3, 5, 6}) {
    if (text[at] < '0' || text[at] > '9') return std::nullopt;
    digits = digits * 10 + (text[at] - '0');
  }
  const int year = digits / 100;
  const auto month = static_cast<unsigned>(digits % 100);
  if (year < 1970 || month < 1 || month > 12) return std::nullopt;
  return Month(std::chrono::year(year) / std::chrono::month(month));
}

std::string Month::text() const {
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u", year_of(month_), month_of(month_));
  return text;
}

int Month::number() const { return year_of(month_) * 100 + static_cast<int>(month_of(month_)); }

int32_t Month::first_day() const {
  return static_cast<int32_t>(sys_days{month_ / 1}.time_since_epoch().count());
}

}  // namespace quota::usage
