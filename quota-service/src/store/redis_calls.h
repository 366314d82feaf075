#pragma once

#include <uv.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "redis/client.h"

struct redisReply;

namespace quota::store {

// Commands to Redis from any thread, by way of the thread of the client's loop.
class RedisCalls {
 public:
  // On the loop's thread or before it runs. The client outlives it.
  RedisCalls(uv_loop_t* loop, redis::Client& client);
  // After close() and after the client has closed.
  ~RedisCalls();
  RedisCalls(const RedisCalls&) = delete;
  RedisCalls& operator=(const RedisCalls&) = delete;

  struct Call {
    std::string key;                 // decides which node is asked
    std::vector<std::string> words;  // with a script: its keys' number, its keys and arguments
    const redis::Script* script = nullptr;
    // Told once what came of it, on the loop's thread; the reply is there only during the call.
    std::function<void(absl::StatusOr<const redisReply*>)> told = {};
  };
  // Never blocks. False after close(): nobody will be told anything.
  bool send(Call call);

  // Blocks until `read` has made something of the reply, on the loop's thread, or Redis has
  // failed, or it has taken too long. Not for the loop's thread.
  template <typename Result>
  absl::StatusOr<Result> ask(Call call,
                             std::function<absl::StatusOr<Result>(const redisReply&)> read) {
    std::vector<Call> calls;
    calls.push_back(std::move(call));
    auto results = ask_all<Result>(std::move(calls), std::move(read));
    if (!results.ok()) return results.status();
    return std::move(results->front());
  }
  // The same for several calls, all of which are sent before any is waited for.
  template <typename Result>
  absl::StatusOr<std::vector<Result>> ask_all(
      std::vector<Call> calls, std::function<absl::StatusOr<Result>(const redisReply&)> read) {
    const auto deadline = std::chrono::steady_clock::now() + patience_;
    std::vector<std::future<absl::StatusOr<Result>>> waited_for;
    for (Call& call : calls) {
      // Shared, because an answer may come when nobody waits any more.
      const auto promise = std::make_shared<std::promise<absl::StatusOr<Result>>>();
      waited_for.push_back(promise->get_future());
      call.told = [promise, read](absl::StatusOr<const redisReply*> reply) {
        promise->set_value(reply.ok() ? read(**reply) : std::move(reply).status());
      };
      if (!send(std::move(call))) return closed();
    }
    std::vector<Result> results;
    for (auto& each : waited_for) {
      if (each.wait_until(deadline) != std::future_status::ready) return too_late();
      absl::StatusOr<Result> result = each.get();
      if (!result.ok()) return result.status();
      results.push_back(*std::move(result));
    }
    return results;
  }

  // On the loop's thread, before the client is closed. What was not sent yet is not sent any more.
  void close();

 private:
  static absl::Status closed();
  static absl::Status too_late();
  void send_queued();

  redis::Client& client_;
  const std::chrono::milliseconds patience_{2000};
  uv_async_t* wake_;  // its own, until its handle has closed
  std::mutex mutex_;
  std::vector<Call> queue_;
  bool is_closed_ = false;
};

}  // namespace quota::store
