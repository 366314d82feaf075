#include "events/webhook.h"

#include <fmt/format.h>
#include <httplib.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/hmac.h"
#include "base/time.h"

namespace quota::events {
namespace {

// A version 4 UUID.
std::string random_uuid(std::mt19937_64& random) {
  const uint64_t high = (random() & ~uint64_t{0xf000}) | 0x4000;
  const uint64_t low = (random() & ~(uint64_t{3} << 62)) | uint64_t{1} << 63;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffff'ffff'ffff);
}

bool may_help_to_repeat(int status) { return status >= 500 || status == 408 || status == 429; }

}  // namespace

std::string webhook_signature(const std::string& secret, int64_t unix_s, const std::string& body) {
  return fmt::format("t={},v1={}", unix_s,
                     to_hex(hmac_sha256(secret, fmt::format("{}.{}", unix_s, body))));
}

Webhook::Webhook(WebhookOptions options)
    : options_(std::move(options)), random_(std::random_device()()), thread_([this] { run(); }) {}

void Webhook::send(std::string body) {
  {
    const std::lock_guard lock(mutex_);
    if (is_ending_) {
      ++dropped_;
      return;
    }
    if (waiting_.size() >= options_.most_waiting) {
      waiting_.pop_front();
      ++dropped_;
    }
    waiting_.push_back(std::move(body));
  }
  changed_.notify_one();
}

void Webhook::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
    if (client_ != nullptr) client_->stop();
  }
  changed_.notify_all();
  thread_.join();
  if (waiting_.empty()) return;
  dropped_ += waiting_.size();
  spdlog::warn("webhook: {} events were not sent before the end", waiting_.size());
}

void Webhook::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_ending_ || !waiting_.empty(); });
    if (is_ending_) return;
    const std::string body = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    deliver(body);
    lock.lock();
  }
}

void Webhook::pause(int64_t us) {
  if (options_.pause) return options_.pause(us);
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(us), [this] { return is_ending_; });
}

void Webhook::deliver(const std::string& body) {
  const std::string delivery = random_uuid(random_);
  int64_t most_us = options_.least_pause_us;
  std::string why;
  for (int attempt_number = 1;; ++attempt_number) {
    const Result result = attempt(body, delivery, why);
    if (result == Result::kAccepted) {
      ++ok_;
      return;
    }
    ++errors_;
    if (result == Result::kRefused || attempt_number == options_.attempts) break;
    // At least half of it, so that many who failed together do not come back together.
    pause(std::uniform_int_distribution<int64_t>(most_us / 2, most_us)(random_));
    most_us = std::min(most_us * 4, options_.most_pause_us);
    const std::lock_guard lock(mutex_);
    if (is_ending_) break;
  }
  ++dropped_;
  if (const auto left_out = log_.admit(read_clocks().mono_us)) {
    spdlog::error("webhook: {} did not take an event: {} ({} such lines left out)",
                  options_.url.origin, why, *left_out);
  }
}

Webhook::Result Webhook::attempt(const std::string& body, const std::string& delivery,
                                 std::string& why) {
  httplib::Client client(options_.url.origin);
  const auto timeout = std::chrono::microseconds(options_.timeout_us);
  client.set_connection_timeout(timeout);
  client.set_read_timeout(timeout);
  client.set_write_timeout(timeout);
  client.set_follow_location(false);
  client.set_keep_alive(false);
  client.set_url_encode(false);
  const int64_t unix_s = read_clocks().unix_us / 1'000'000;
  httplib::Request request;
  request.method = "POST";
  request.path = options_.url.target;
  request.body = body;
  request.set_header("Content-Type", "application/json");
  request.set_header("User-Agent", "quotagate");
  request.set_header("X-Quota-Delivery", delivery);
  request.set_header("X-Quota-Signature", webhook_signature(options_.secret, unix_s, body));
  // The status is all that counts; nothing of the body is read.
  int status = 0;
  request.response_handler = [&](const httplib::Response& response) {
    status = response.status;
    return false;
  };
  {
    const std::lock_guard lock(mutex_);
    if (is_ending_) return Result::kTryAgain;
    client_ = &client;
  }
  const httplib::Result result = client.send(request);
  {
    const std::lock_guard lock(mutex_);
    client_ = nullptr;
  }
  if (result) status = result->status;  // an answer without a body
  if (status == 0) {
    why = httplib::to_string(result.error());
    return Result::kTryAgain;
  }
  if (status >= 200 && status < 300) return Result::kAccepted;
  why = fmt::format("HTTP status {}", status);
  return may_help_to_repeat(status) ? Result::kTryAgain : Result::kRefused;
}

}  // namespace quota::events
