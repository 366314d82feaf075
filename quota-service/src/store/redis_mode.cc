#include "store/redis_mode.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "redis/protocol.h"
#include "store/scripts.h"

namespace quota::store {
namespace {

constexpr const char* kKey = "quota:{mode}";
constexpr const char* kChannel = "quota:mode";
// What is published may get lost without a sign, in a cluster for instance.
constexpr uint64_t kCompareMs = 10'000;
constexpr uint64_t kRetryMs = 50;

// "<word> <time>"
std::optional<ModeRecord> read_record(std::string_view text) {
  const size_t space = text.find(' ');
  ModeRecord record;
  if (space == std::string_view::npos || !read_mode_word(text.substr(0, space), record.mode) ||
      !absl::SimpleAtoi(std::string(text.substr(space + 1)), &record.since_unix_ms) ||
      record.since_unix_ms <= 0) {
    return std::nullopt;
  }
  return record;
}

absl::StatusOr<std::optional<ModeRecord>> read_reply(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_NIL) return std::optional<ModeRecord>();
  auto record = redis::is_text(reply) ? read_record(redis::text_of(reply)) : std::nullopt;
  if (record) return record;
  return absl::InternalError(
      "the key quota:{mode} in Redis holds no mode; set the mode again, or delete the key");
}

}  // namespace

RedisMode::RedisMode(uv_loop_t* loop, redis::Client& client)
    : calls_(loop, client), script_{kModeLua, std::string(kModeLuaSha1)}, again_(new uv_timer_t{}) {
  again_->data = this;
  uv_timer_init(loop, again_);
  client.subscribe(
      kChannel,
      [this](std::string_view message) {
        if (const auto record = read_record(message)) hear(*record);
      },
      [this] { compare(); });
}

RedisMode::~RedisMode() = default;

void RedisMode::close() {
  calls_.close();
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(again_, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

RedisCalls::Call RedisMode::run(std::string_view what, const ModeRecord& record) const {
  return {.key = kKey,
          .words = {"1", kKey, kChannel, std::string(what), std::string(mode_word(record.mode)),
                    std::to_string(record.since_unix_ms)},
          .script = &script_};
}

void RedisMode::compare() {
  ModeRecord newest;
  {
    const std::lock_guard lock(mutex_);
    newest = newest_;
  }
  RedisCalls::Call call = run("offer", newest);
  call.told = [this](const absl::StatusOr<const redisReply*>& reply) {
    compared(reply.ok() ? read_reply(**reply) : reply.status());
  };
  if (again_ == nullptr) return;
  uv_timer_stop(again_);
  calls_.send(std::move(call));
}

void RedisMode::compared(const absl::StatusOr<std::optional<ModeRecord>>& record) {
  if (record.ok() && *record) hear(**record);
  const bool is_answer = record.ok() || absl::IsInternal(record.status());
  if (is_answer && !record.ok()) {
    spdlog::warn("mode: {}", std::string(record.status().message()));
  }
  if (is_answer) {
    const std::lock_guard lock(mutex_);
    is_known_ = true;
    became_known_.notify_all();
  }
  if (again_ == nullptr) return;
  uv_timer_start(
      again_, [](uv_timer_t* timer) { static_cast<RedisMode*>(timer->data)->compare(); },
      is_answer ? kCompareMs : kRetryMs, 0);
}

void RedisMode::hear(const ModeRecord& record) {
  const std::lock_guard lock(mutex_);
  if (record.since_unix_ms <= newest_.since_unix_ms) return;
  newest_ = record;
  if (heard_) heard_(record);
}

bool RedisMode::wait_until_known(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return became_known_.wait_for(lock, patience, [this] { return is_known_; });
}

absl::StatusOr<ModeRecord> RedisMode::put_mode(std::optional<policy::Mode> mode, int64_t unix_ms) {
  const auto recorded =
      calls_.ask<std::optional<ModeRecord>>(run("put", {mode, unix_ms}), read_reply);
  if (!recorded.ok()) return recorded.status();
  if (!*recorded) return absl::InternalError("Redis recorded nothing; is it Redis?");
  hear(**recorded);
  return **recorded;
}

absl::Status RedisMode::watch_mode(Heard heard) {
  const std::lock_guard lock(mutex_);
  heard_ = std::move(heard);
  if (heard_ && newest_.since_unix_ms > 0) heard_(newest_);
  return absl::OkStatus();
}

}  // namespace quota::store
