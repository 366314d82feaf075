#include "store/usage_keys.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "redis/key_slot.h"

namespace quota::store {
namespace {

constexpr int64_t kDayS = 86'400;
constexpr int64_t kGraceDays = 3;

}  // namespace

int usage_shard(std::string_view consumer) {
  // Any hash would do that is the same everywhere and for ever. No brace is let near it.
  const size_t brace = consumer.find('{');
  return redis::key_slot(consumer.substr(0, brace)) % kUsageShards;
}

std::string usage_last_key(int shard) { return fmt::format("quota:{{usage:{}}}:last", shard); }

std::string usage_consumers_key(int shard, usage::Month month) {
  return fmt::format("quota:{{usage:{}}}:{}", shard, month.text());
}

std::string usage_key(usage::Month month, std::string_view consumer) {
  return fmt::format("{}:{}", usage_consumers_key(usage_shard(consumer), month), consumer);
}

int64_t usage_expiry(usage::Month month) {
  return (month.plus(usage::kMonthsKept + 1).first_day() + kGraceDays) * kDayS;
}

std::string usage_field(const usage::Key& key) {
  const int32_t day = key.day - usage::Month::of_day(key.day).first_day() + 1;
  return fmt::format("{:02} {}", day, key.endpoint);
}

std::optional<usage::Key> read_usage_field(std::string_view consumer, usage::Month month,
                                           std::string_view field) {
  int day = 0;
  if (field.size() < 3 || field[2] != ' ') return std::nullopt;
  const auto [end, error] = std::from_chars(field.data(), field.data() + 2, day);
  if (error != std::errc{} || end != field.data() + 2 || day < 1 || day > 31) return std::nullopt;
  return usage::Key{.consumer = std::string(consumer),
                    .endpoint = std::string(field.substr(3)),
                    .day = month.first_day() + day - 1};
}

std::optional<usage::Amount> read_usage_value(std::string_view value) {
  std::array<uint64_t, 3> numbers{};
  const char* at = value.data();
  const char* const end = value.data() + value.size();
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && (at == end || *at++ != ' ')) return std::nullopt;
    const auto [stop, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc{}) return std::nullopt;
    at = stop;
  }
  if (at != end) return std::nullopt;
  return usage::Amount{.requests = numbers[0], .denials = numbers[2], .cost_milli = numbers[1]};
}

}  // namespace quota::store
