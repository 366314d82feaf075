#include "store/consumer_record.h"

#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "policy/names.h"

namespace quota::store {
namespace {

using Json = nlohmann::json;

// More than quotad ever writes: a record is written by others too, and lies in memory.
constexpr size_t kMostBytes = 262'144;
constexpr size_t kMostKeys = 1000;
constexpr size_t kMostTierBytes = 1024;
constexpr int64_t kMostMilli = 1'000'000'000'000'000'000;

Json amount(const std::optional<int64_t>& milli) { return milli ? Json(*milli) : Json(); }

// These leave `to` alone when there is no such member, and return false when it is wrong.

bool read_text(const Json& record, const char* name, size_t most, std::string& to) {
  const auto found = record.find(name);
  if (found == record.end() || found->is_null()) return true;
  if (!found->is_string()) return false;
  to = found->get<std::string>();
  return to.size() <= most;
}

bool read_whole(const Json& record, const char* name, int64_t most, std::optional<int64_t>& to) {
  const auto found = record.find(name);
  if (found == record.end() || found->is_null()) return true;
  if (!found->is_number_integer()) return false;
  if (found->is_number_unsigned() && found->get<uint64_t>() > static_cast<uint64_t>(most)) {
    return false;
  }
  to = found->get<int64_t>();
  return *to >= 1 && *to <= most;
}

bool read_keys(const Json& record, std::vector<Sha256>& to) {
  const auto found = record.find("api_keys");
  if (found == record.end() || found->is_null()) return true;
  if (!found->is_array() || found->size() > kMostKeys) return false;
  for (const Json& each : *found) {
    if (!each.is_string()) return false;
    const auto key = sha256_from_hex(each.get_ref<const std::string&>());
    if (!key) return false;
    to.push_back(*key);
  }
  return true;
}

}  // namespace

std::string consumer_to_record(const policy::Consumer& consumer) {
  Json keys = Json::array();
  for (const Sha256& key : consumer.api_keys) keys.push_back(to_hex(key));
  const Json record = {{"id", consumer.id},
                       {"tier", consumer.tier.empty() ? Json() : Json(consumer.tier)},
                       {"billing_day", consumer.billing_day},
                       {"minute_milli", amount(consumer.overrides.minute)},
                       {"month_milli", amount(consumer.overrides.month)},
                       {"api_keys", std::move(keys)}};
  return record.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<policy::Consumer> consumer_from_record(std::string_view record) {
  if (record.size() > kMostBytes) return std::nullopt;
  const Json json = Json::parse(record, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  policy::Consumer consumer;
  std::optional<int64_t> day;
  const bool is_good = read_text(json, "id", 128, consumer.id) &&
                       policy::is_consumer_id(consumer.id) &&
                       read_text(json, "tier", kMostTierBytes, consumer.tier) &&
                       read_whole(json, "billing_day", 31, day) &&
                       read_whole(json, "minute_milli", kMostMilli, consumer.overrides.minute) &&
                       read_whole(json, "month_milli", kMostMilli, consumer.overrides.month) &&
                       read_keys(json, consumer.api_keys);
  if (!is_good) return std::nullopt;
  consumer.billing_day = static_cast<int>(day.value_or(1));
  return consumer;
}

std::optional<policy::Consumer> consumer_from_record(std::string_view record, std::string_view id) {
  auto consumer = consumer_from_record(record);
  if (consumer && consumer->id != id) consumer.reset();
  return consumer;
}

}  // namespace quota::store
