#pragma once

#include <uv.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string_view>

#include "redis/client.h"
#include "store/mode_store.h"
#include "store/redis_calls.h"

namespace quota::store {

// The override of the mode in Redis, shared by all quotads (see mode.lua). Of two records the one
// with the later time is right, wherever it lies: a Redis that has lost it is told again.
class RedisMode final : public ModeStore {
 public:
  // On the thread of the client's loop, or before it runs. Both outlive it.
  RedisMode(uv_loop_t* loop, redis::Client& client);
  // After close() and after the client has closed.
  ~RedisMode() override;
  RedisMode(const RedisMode&) = delete;
  RedisMode& operator=(const RedisMode&) = delete;

  // On the loop's thread, before the client is closed.
  void close();

  // Waits until Redis has said what is recorded; false when it took too long.
  bool wait_until_known(std::chrono::milliseconds patience);

  absl::StatusOr<ModeRecord> put_mode(std::optional<policy::Mode> mode, int64_t unix_ms) override;
  absl::Status watch_mode(Heard heard) override;

 private:
  RedisCalls::Call run(std::string_view what, const ModeRecord& record) const;
  void compare();  // what is known here with what is recorded there; on the loop's thread
  void compared(const absl::StatusOr<std::optional<ModeRecord>>& record);
  void hear(const ModeRecord& record);

  RedisCalls calls_;
  const redis::Script script_;
  uv_timer_t* again_;  // null after close()

  std::mutex mutex_;
  std::condition_variable became_known_;
  bool is_known_ = false;  // Redis has answered once
  ModeRecord newest_;
  Heard heard_;
};

}  // namespace quota::store
