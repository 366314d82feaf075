#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <uv.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "redis/client.h"
#include "redis/test_servers.h"

namespace quota::store {

// A client of Redis on a thread of its own, as the store's is.
class ClientThread final : private redis::ClientEvents {
 public:
  // `on_open` makes what stands on the client, before the thread runs; `on_close` says goodbye to
  // it, on the thread.
  ClientThread(const std::string& url,
               const std::function<void(uv_loop_t*, redis::Client&)>& on_open,
               std::function<void()> on_close,
               int64_t command_timeout_us = redis::testing::kPatientUs)
      : on_close_(std::move(on_close)) {
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop_);
    stop_.data = this;
    uv_async_init(&loop_, &stop_,
                  [](uv_async_t* async) { static_cast<ClientThread*>(async->data)->on_stop(); });
    redis::ClientOptions options;
    options.url = redis::parse_url(url).value();
    options.command_timeout_us = command_timeout_us;
    options.least_backoff_us = 5'000;
    options.most_backoff_us = 50'000;
    client_ = redis::Client::open(&loop_, options, *this);
    on_open(&loop_, *client_);
    thread_ = std::thread([this] { uv_run(&loop_, UV_RUN_DEFAULT); });
    EXPECT_TRUE(redis::testing::eventually([this] { return up_.load(); }));
  }
  ~ClientThread() override { stop(); }

  // The thread has ended, and so has the client.
  void stop() {
    if (!thread_.joinable()) return;
    uv_async_send(&stop_);
    thread_.join();
    client_.reset();
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

 private:
  void on_stop() {
    on_close_();
    client_->close([this] { uv_close(reinterpret_cast<uv_handle_t*>(&stop_), nullptr); });
  }
  void on_node(redis::Node&, Ask, Ready ready) override { ready(absl::OkStatus()); }
  void on_up(bool up, std::string_view) override { up_ = up; }

  const std::function<void()> on_close_;
  uv_loop_t loop_{};
  uv_async_t stop_{};
  std::atomic<bool> up_{false};
  std::unique_ptr<redis::Client> client_;
  std::thread thread_;
};

}  // namespace quota::store
