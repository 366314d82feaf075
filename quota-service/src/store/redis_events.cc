#include "store/redis_events.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <random>
#include <utility>

#include "base/time.h"
#include "redis/protocol.h"

namespace quota::store {

RedisEvents::RedisEvents(RedisEventsOptions options, Send send)
    : options_(options),
      send_(std::move(send)),
      // So that several quotads do not all write to the same stream at once.
      turn_(std::random_device()()) {}

RedisEvents::~RedisEvents() = default;

void RedisEvents::write(const std::vector<std::string>& events) {
  std::string entry;
  size_t count = 0;
  const auto finish = [&] {
    if (count == 0) return;
    add(std::exchange(entry, {}) + "]", std::exchange(count, 0));
  };
  for (const std::string& event : events) {
    if (entry.size() + event.size() + 2 > options_.most_bytes) finish();
    entry.append(count == 0 ? "[" : ",").append(event);
    ++count;
  }
  finish();
}

void RedisEvents::add(std::string entry, size_t events) {
  if (shared_->in_flight >= options_.most_in_flight) {
    dropped_ += events;
    return;
  }
  const std::string key =
      fmt::format("quota:events:{{{}}}", turn_++ % static_cast<uint64_t>(options_.streams));
  RedisCalls::Call call{.key = key,
                        .words = {"XADD", key, "MAXLEN", "~", std::to_string(options_.maxlen), "*",
                                  "batch", std::move(entry), "n", std::to_string(events)}};
  call.told = [shared = shared_, events](const absl::StatusOr<const redisReply*>& reply) {
    --shared->in_flight;
    if (reply.ok()) {
      shared->written += events;
      return;
    }
    shared->failed += events;
    if (const auto left_out = shared->log.admit(read_clocks().mono_us)) {
      spdlog::warn("events: {} could not be written: {} ({} such lines left out)", events,
                   std::string(reply.status().message()), *left_out);
    }
  };
  ++shared_->in_flight;
  if (send_(std::move(call))) return;
  --shared_->in_flight;
  shared_->failed += events;
}

events::Sink::Stats RedisEvents::stats() const {
  return {.written = shared_->written, .failed = shared_->failed, .dropped = dropped_};
}

void RedisEvents::put_up(std::string notice, int64_t ttl_ms, std::function<void(Answer)> answered) {
  const std::string key = "quota:{told}:" + std::move(notice);
  RedisCalls::Call call{.key = key, .words = {"SET", key, "1", "NX", "PX", std::to_string(ttl_ms)}};
  call.told = [answered](const absl::StatusOr<const redisReply*>& reply) {
    if (!reply.ok()) return answered(Answer::kUnknown);
    answered((*reply)->type == REDIS_REPLY_NIL ? Answer::kTold : Answer::kFirst);
  };
  if (!send_(std::move(call))) answered(Answer::kUnknown);
}

}  // namespace quota::store
