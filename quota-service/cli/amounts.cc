#include "cli/amounts.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/policy.h"

namespace quota::cli {
namespace {

std::string duration(int64_t ms) {
  const int64_t seconds = std::max<int64_t>(0, (ms + 999) / 1000);
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 2 * 3600) return fmt::format("{} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} days", seconds / 86400);
}

}  // namespace

Json units(int64_t milli) {
  if (milli % policy::kMilli == 0) return milli / policy::kMilli;
  return static_cast<double>(milli) / policy::kMilli;
}

std::string amount(const Json& number) { return number.is_null() ? "unlimited" : number.dump(); }

std::string limits_text(const Json& limits) {
  if (limits.value("unlimited", false)) return "unlimited";
  return fmt::format("{} per minute, {} per month", amount(limits.at("requests_per_minute")),
                     amount(limits.at("monthly_quota")));
}

std::string state_text(const Json& state, int64_t now_ms) {
  if (state.is_null()) return "no limit";
  const std::string left =
      fmt::format("{} of {} left", amount(state.at("remaining")), amount(state.at("limit")));
  if (state.at("remaining") == state.at("limit")) return left;
  return fmt::format("{}, all of it again in {}", left,
                     duration(state.at("reset_unix_ms").get<int64_t>() - now_ms));
}

}  // namespace quota::cli
