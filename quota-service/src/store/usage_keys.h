#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "usage/month.h"
#include "usage/usage.h"

// How usage lies in Redis: in parts by consumer, so that the nodes of a cluster share it.
namespace quota::store {

inline constexpr int kUsageShards = 16;

int usage_shard(std::string_view consumer);
// "quota:{usage:8}:last": the last batch of each holder.
std::string usage_last_key(int shard);
// "quota:{usage:8}:2026-11": the consumers that have usage in the month.
std::string usage_consumers_key(int shard, usage::Month month);
// "quota:{usage:8}:2026-11:acme": that of one consumer.
std::string usage_key(usage::Month month, std::string_view consumer);
// When the keys of a month may go, in Unix seconds.
int64_t usage_expiry(usage::Month month);

// "20 /identify": the day of the month and the endpoint.
std::string usage_field(const usage::Key& key);
// Nothing for what usage.lua has not written.
std::optional<usage::Key> read_usage_field(std::string_view consumer, usage::Month month,
                                           std::string_view field);
// "150 100000 50": requests, cost, denials.
std::optional<usage::Amount> read_usage_value(std::string_view value);

}  // namespace quota::store
