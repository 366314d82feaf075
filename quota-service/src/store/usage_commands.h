#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "store/redis_calls.h"
#include "store/usage_channel.h"

// What is said to Redis about usage.
namespace quota::store {

// The words of a call of usage.lua, as RedisCalls takes them.
std::vector<std::string> usage_script_words(const UsageChannel& channel,
                                            const UsageChannel::Message& message);

struct UsageAnswer {
  UsageChannel::Answer answer = UsageChannel::Answer::kAt;
  uint64_t last = 0;
};
absl::StatusOr<UsageAnswer> read_usage_answer(const redisReply& reply);

// A page of what Redis has. Blocks; not for the loop's thread.
absl::StatusOr<usage::Page> read_usage(RedisCalls& calls, const usage::Query& query);

}  // namespace quota::store
