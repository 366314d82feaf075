#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/session.h"

namespace quota::cli {

// What one consumer used of one endpoint, in a month or on a day.
struct UsageLine {
  std::string when;      // "2026-11" or "2026-11-20"
  std::string consumer;  // empty: clients that are no consumers
  std::string endpoint;
  uint64_t requests = 0;
  uint64_t cost_milli = 0;
  uint64_t denials = 0;
};

struct UsageReport {
  std::string month;
  bool is_by_day = false;
  std::vector<UsageLine> lines;

  // Of an answer of /v1/usage.
  void add(const Json& page);
};

// Each ends with a line of totals, but for CSV, which holds nothing but lines of usage.
std::string usage_table(const UsageReport& report);
// RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe in front.
std::string usage_csv(const UsageReport& report);
Json usage_json(const UsageReport& report);

}  // namespace quota::cli
