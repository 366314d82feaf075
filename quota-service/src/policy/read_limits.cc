#include "policy/read_limits.h"

namespace quota::policy {
namespace {

constexpr int64_t kMaxMinute = 1'000'000'000;
constexpr int64_t kMaxMonth = 1'000'000'000'000'000;

std::optional<int64_t> read_limit(const Fields& fields, std::string_view key, int64_t most,
                                  const std::string& whose, std::vector<WrittenLimit>& written) {
  const auto units = fields.whole(key, 1, most);
  if (!units) return std::nullopt;
  const int64_t milli = *units * kMilli;
  written.push_back({whose, milli, fields.at(key)});
  return milli;
}

}  // namespace

std::optional<int64_t> read_minute(const Fields& fields, const std::string& whose, Draft& draft) {
  return read_limit(fields, kMinuteKey, kMaxMinute, whose, draft.minutes);
}

std::optional<int64_t> read_month(const Fields& fields, const std::string& whose, Draft& draft) {
  return read_limit(fields, kMonthKey, kMaxMonth, whose, draft.months);
}

bool read_unlimited(const Fields& fields, Faults& faults) {
  if (!fields.flag(kUnlimitedKey).value_or(false)) return false;
  for (const std::string_view key : {kMinuteKey, kMonthKey}) {
    if (fields.has(key)) {
      faults.add(fields.at(key), Message::kUnlimitedAndLimited, fields.where(), key);
    }
  }
  return true;
}

void require_limit(const Fields& fields, std::string_view choices, size_t faults_before,
                   Faults& faults) {
  if (faults.size() > faults_before) return;
  if (fields.has(kMinuteKey) || fields.has(kMonthKey)) return;
  if (fields.flag(kUnlimitedKey).value_or(false)) return;
  faults.add(fields.at(), Message::kNoLimit, fields.where(), choices);
}

void refuse_month(const Fields& fields, std::string_view because, Faults& faults) {
  if (fields.has(kMonthKey)) {
    faults.add(fields.at(kMonthKey), Message::kMonthNotHere, fields.where(), because);
  }
}

}  // namespace quota::policy
