#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace quota::engine {

// A billing month in UTC: from the billing day of one month up to that of the next. A billing day
// that a month does not have is that month's last day.
struct Period {
  int32_t start_day = 0;  // days since 1970-01-01
  int64_t start_us = 0;
  int64_t end_us = 0;

  int64_t length_s() const { return (end_us - start_us) / 1'000'000; }
  bool contains(int64_t unix_us) const { return start_us <= unix_us && unix_us < end_us; }
};

Period period_at(int64_t unix_us, int billing_day);

// Remembers the running period of each billing day, so that the calendar is asked once a month.
class PeriodCache {
 public:
  const Period& at(int64_t unix_us, int billing_day) {
    Period& period = periods_[static_cast<size_t>(billing_day - 1)];
    if (!period.contains(unix_us)) period = period_at(unix_us, billing_day);
    return period;
  }

 private:
  std::array<Period, 31> periods_{};
};

}  // namespace quota::engine
