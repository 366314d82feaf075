#include "engine/period.h"

#include <algorithm>
#include <chrono>

namespace quota::engine {
namespace {

using std::chrono::day;
using std::chrono::days;
using std::chrono::months;
using std::chrono::sys_days;
using std::chrono::year_month;
using std::chrono::year_month_day;
using std::chrono::year_month_day_last;

constexpr int64_t kDayUs = 86'400'000'000;

sys_days billing_date(year_month month, int billing_day) {
  const year_month_day_last last{month.year(), std::chrono::month_day_last{month.month()}};
  return sys_days{month / std::min(day(static_cast<unsigned>(billing_day)), last.day())};
}

int64_t floor_day(int64_t unix_us) {
  return unix_us >= 0 ? unix_us / kDayUs : -((-unix_us + kDayUs - 1) / kDayUs);
}

}  // namespace

Period period_at(int64_t unix_us, int billing_day) {
  const sys_days today{days{floor_day(unix_us)}};
  const year_month_day date{today};
  year_month month{date.year(), date.month()};
  if (today < billing_date(month, billing_day)) month -= months{1};
  const sys_days start = billing_date(month, billing_day);
  const sys_days end = billing_date(month + months{1}, billing_day);
  const auto day_number = [](sys_days d) {
    return static_cast<int64_t>(d.time_since_epoch().count());
  };
  return {static_cast<int32_t>(day_number(start)), day_number(start) * kDayUs,
          day_number(end) * kDayUs};
}

}  // namespace quota::engine
