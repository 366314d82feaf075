#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/store.h"
#include "redis/client.h"

struct redisReply;

// The lease script's arguments and answers in the engine's words: see lease.lua.
namespace quota::store {

// What is the same in all calls of one quotad.
struct LeaseTerms {
  std::string holder;  // unique for every life of a quotad
  int64_t ttl_us = 2'000'000;
  int64_t retention_ms = 3'600'000;
  std::string marker;  // key of the marker; empty in a cluster, where it lies in another slot
};

std::string minute_key(std::string_view subject);
std::string month_key(const engine::MonthKey& month);
// The subject as a holder: several records of one subject are several holders of its month.
std::string holder_of(const LeaseTerms& terms, std::string_view subject);

// numkeys, keys and arguments. `seq` rises with each call of the holder for the subject.
void write_lease_call(const engine::Reserve& request, const LeaseTerms& terms,
                      std::string_view holder, uint64_t seq, int64_t void_before_us,
                      redis::Words& words);

// Whatever a server answers: an error when it is not what the script answers.
absl::StatusOr<engine::Grant> read_lease_answer(const redisReply& reply,
                                                const engine::Reserve& request, int64_t sent_us);

}  // namespace quota::store
