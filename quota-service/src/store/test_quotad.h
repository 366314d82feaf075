#pragma once

#include <uv.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/time.h"
#include "identity/partial_directory.h"
#include "redis/test_servers.h"
#include "store/redis_consumers.h"
#include "store/redis_mode.h"

namespace quota::store {

// As much of a quotad as knows managed consumers and the mode: a client of Redis on a thread of its
// own, and what stands on it.
class TestQuotad final : private redis::ClientEvents {
 public:
  explicit TestQuotad(const std::string& url) {
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop_);
    stop_.data = this;
    uv_async_init(&loop_, &stop_,
                  [](uv_async_t* async) { static_cast<TestQuotad*>(async->data)->on_stop(); });
    redis::ClientOptions options;
    options.url = redis::parse_url(url).value();
    options.least_backoff_us = 5'000;
    options.most_backoff_us = 50'000;
    client_ = redis::Client::open(&loop_, options, *this);
    consumers_ = std::make_unique<RedisConsumers>(&loop_, *client_, directory);
    mode_ = std::make_unique<RedisMode>(&loop_, *client_);
    thread_ = std::thread([this] { uv_run(&loop_, UV_RUN_DEFAULT); });
    EXPECT_TRUE(redis::testing::eventually([this] { return up_ && directory.generation() > 0; }));
  }
  ~TestQuotad() override { stop(); }

  void stop() {
    if (!thread_.joinable()) return;
    uv_async_send(&stop_);
    thread_.join();
    client_.reset();
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

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

  void on_stop() {
    consumers_->close();
    mode_->close();
    client_->close([this] { uv_close(reinterpret_cast<uv_handle_t*>(&stop_), nullptr); });
  }
  void on_node(redis::Node&, Ask, Ready ready) override { ready(absl::OkStatus()); }
  void on_up(bool up, std::string_view) override { up_ = up; }

  uv_loop_t loop_{};
  uv_async_t stop_{};
  std::atomic<bool> up_{false};
  std::unique_ptr<RedisConsumers> consumers_;
  std::unique_ptr<RedisMode> mode_;
  std::unique_ptr<redis::Client> client_;
  std::thread thread_;
};

}  // namespace quota::store
