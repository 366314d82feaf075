#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "base/http_url.h"
#include "telemetry/throttle.h"

namespace httplib {
class Client;
}

namespace quota::events {

// "t=<unix time>,v1=<HMAC-SHA256 of "<unix time>.<body>" in hex>"
std::string webhook_signature(const std::string& secret, int64_t unix_s, const std::string& body);

struct WebhookOptions {
  HttpUrl url;
  std::string secret;
  int64_t timeout_us = 5'000'000;  // of each step of an attempt
  int attempts = 5;
  int64_t least_pause_us = 1'000'000;  // before the second attempt; then four times as much each
  int64_t most_pause_us = 60'000'000;  // time, with jitter
  size_t most_waiting = 256;
  // For tests; empty: sleeps until the time has passed or the webhook is stopped.
  std::function<void(int64_t us)> pause = {};
};

// Posts events to somebody, one after the other, on a thread of its own.
class Webhook {
 public:
  explicit Webhook(WebhookOptions options);
  ~Webhook() { stop(); }
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  // Never waits: the oldest is dropped where there is no room.
  void send(std::string body);
  // What was not delivered by then is dropped; an attempt under way is broken off.
  void stop();

  struct Stats {
    uint64_t ok = 0;       // requests that were accepted
    uint64_t errors = 0;   // requests that were not
    uint64_t dropped = 0;  // events that were given up
  };
  Stats stats() const { return {ok_.load(), errors_.load(), dropped_.load()}; }

 private:
  enum class Result { kAccepted, kRefused, kTryAgain };
  void run();
  void deliver(const std::string& body);
  Result attempt(const std::string& body, const std::string& delivery, std::string& why);
  void pause(int64_t us);

  const WebhookOptions options_;
  std::mt19937_64 random_;  // the thread's own
  telemetry::Throttle log_;
  std::atomic<uint64_t> ok_{0};
  std::atomic<uint64_t> errors_{0};
  std::atomic<uint64_t> dropped_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;
  bool is_ending_ = false;
  httplib::Client* client_ = nullptr;  // of the attempt under way
  std::thread thread_;
};

}  // namespace quota::events
