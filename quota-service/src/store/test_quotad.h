#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/time.h"
#include "identity/partial_directory.h"
#include "redis/test_servers.h"
#include "store/redis_consumers.h"
#include "store/redis_mode.h"
#include "store/test_client_thread.h"

namespace quota::store {

// As much of a quotad as knows managed consumers and the mode.
class TestQuotad {
 public:
  explicit TestQuotad(const std::string& url,
                      int64_t command_timeout_us = redis::testing::kPatientUs)
      : thread_(
            url,
            [this](uv_loop_t* loop, redis::Client& client) {
              consumers_ = std::make_unique<RedisConsumers>(loop, client, directory);
              mode_ = std::make_unique<RedisMode>(loop, client);
            },
            [this] {
              consumers_->close();
              mode_->close();
            },
            command_timeout_us) {
    EXPECT_TRUE(redis::testing::eventually([this] { return directory.generation() > 0; }));
  }

  void stop() { thread_.stop(); }

  // What the directory says in the end.
  identity::Answer key(std::string_view key, int64_t later_us = 0) {
    return wait([&](const auto& end) {
      return directory.look_up_by_key(sha256(key), read_clocks().mono_us + later_us, end);
    });
  }
  identity::Answer id(std::string_view id) {
    return wait([&](const auto& end) { return directory.look_up(id, read_clocks().mono_us, end); });
  }
  // Whether the key stands for this tier, now or soon.
  bool soon(std::string_view text, std::string_view tier) {
    return redis::testing::eventually([&] {
      const identity::Answer answer = key(text);
      return answer.consumer ? answer.consumer->tier == tier : tier == "nobody";
    });
  }

  ConsumerStore& consumers() { return *consumers_; }
  RedisConsumers& redis_consumers() { return *consumers_; }
  RedisMode& mode() { return *mode_; }

  identity::PartialDirectory directory;

 private:
  class LookupEnd final : public identity::Awaiter {
   public:
    void answered(uint64_t) override {
      const std::lock_guard lock(mutex_);
      is_there_ = true;
      arrived_.notify_one();
    }
    bool wait() {
      std::unique_lock lock(mutex_);
      return arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return is_there_; });
    }

   private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    bool is_there_ = false;
  };

  template <typename Ask>
  static identity::Answer wait(Ask ask) {
    for (;;) {
      const auto end = std::make_shared<LookupEnd>();
      identity::Answer answer = ask(end);
      if (answer.state != identity::Answer::State::kPending) return answer;
      if (!end->wait()) return answer;
    }
  }

  std::unique_ptr<RedisConsumers> consumers_;
  std::unique_ptr<RedisMode> mode_;
  ClientThread thread_;
};

}  // namespace quota::store
