#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policy/draft.h"
#include "policy/fields.h"

// The keys that tiers, anonymous requests and overrides have in common.
namespace quota::policy {

inline constexpr std::string_view kMinuteKey = "requests_per_minute";
inline constexpr std::string_view kMonthKey = "monthly_quota";
inline constexpr std::string_view kUnlimitedKey = "unlimited";

// In thousandths, and remembered in the draft as limits of `whose`.
std::optional<int64_t> read_minute(const Fields& fields, const std::string& whose, Draft& draft);
std::optional<int64_t> read_month(const Fields& fields, const std::string& whose, Draft& draft);

// True for `unlimited: true`; limits beside it are faults.
bool read_unlimited(const Fields& fields, Faults& faults);

// To be called after reading: it is a fault to be silent about limits, which might mean none or
// all. `choices` are the keys that may be given. Nothing is said when the mapping has other faults,
// added since there were `faults_before`, because they may be the reason.
void require_limit(const Fields& fields, std::string_view choices, size_t faults_before,
                   Faults& faults);

void refuse_month(const Fields& fields, std::string_view because, Faults& faults);

}  // namespace quota::policy
