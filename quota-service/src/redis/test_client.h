#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "redis/client.h"
#include "redis/loop.h"
#include "redis/protocol.h"
#include "redis/test_servers.h"

// A client on a loop that a test turns by hand.
namespace quota::redis::testing {

class TestLoop {
 public:
  TestLoop() {
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop_);
    uv_timer_init(&loop_, &tick_);
    uv_timer_start(
        &tick_, [](uv_timer_t*) {}, 2, 2);
  }
  ~TestLoop() {
    uv_close(reinterpret_cast<uv_handle_t*>(&tick_), nullptr);
    // Ends when every handle has closed, and hangs with a test that leaves one.
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  uv_loop_t* get() { return &loop_; }

  bool until(const std::function<bool()>& condition, double seconds = 10) {
    const int64_t deadline_us = mono_us() + static_cast<int64_t>(seconds * 1e6);
    while (!condition()) {
      if (mono_us() > deadline_us) return false;
      uv_run(&loop_, UV_RUN_ONCE);
    }
    return true;
  }

 private:
  uv_loop_t loop_{};
  uv_timer_t tick_{};
};

struct Result {
  int calls = 0;  // how often the client told what came of it
  bool answered = false;
  Failure failure = Failure::kClosed;
  std::string text;
  int64_t sent_us = 0;
  int attempts = 0;
  std::string last_node;
};
using ResultPtr = std::shared_ptr<Result>;

class TestCommand final : public Command {
 public:
  TestCommand(std::vector<std::string> words, std::string key, ResultPtr result,
              const Script* script = nullptr)
      : words_(std::move(words)),
        key_(std::move(key)),
        result_(std::move(result)),
        script_(script) {}

  std::string_view key() const override { return key_; }
  const Script* script() const override { return script_; }
  void write(const Node& node, Words& words) override {
    ++result_->attempts;
    result_->last_node = node.address.text();
    for (const std::string& word : words_) words.add(word);
  }
  void answered(const redisReply& reply, int64_t first_sent_us) override {
    ++result_->calls;
    result_->answered = true;
    result_->sent_us = first_sent_us;
    result_->text = reply.type == REDIS_REPLY_INTEGER ? std::to_string(reply.integer)
                                                      : std::string(text_of(reply));
    if (then) then();
  }
  void failed(Failure failure, std::string_view words) override {
    ++result_->calls;
    result_->failure = failure;
    result_->text = words;
    if (then) then();
  }

  std::function<void()> then;

 private:
  std::vector<std::string> words_;
  std::string key_;
  ResultPtr result_;
  const Script* script_;
};

class TestEvents final : public ClientEvents {
 public:
  void on_node(Node& node, Ask ask, Ready ready) override {
    nodes.push_back(node);
    if (hook) {
      hook(node, std::move(ask), std::move(ready));
    } else {
      ready(absl::OkStatus());
    }
  }
  void on_up(bool up, std::string_view why) override {
    ups.emplace_back(up, why);
    if (up_hook) up_hook(up);
  }

  std::vector<Node> nodes;
  std::vector<std::pair<bool, std::string>> ups;
  std::function<void(Node&, Ask, Ready)> hook;
  std::function<void(bool)> up_hook;
};

class TestClient {
 public:
  explicit TestClient(const std::string& url,
                      const std::function<void(ClientOptions&)>& tweak = nullptr) {
    ClientOptions options;
    options.url = parse_url(url).value();
    options.command_timeout_us = kPatientUs;
    options.least_backoff_us = 5'000;
    options.most_backoff_us = 100'000;
    if (tweak) tweak(options);
    open_ = [this, options] { client_ = Client::open(loop_.get(), options, events_); };
  }
  ~TestClient() { close(); }

  void open() { open_(); }
  // Opens it and waits until it is up.
  bool start() {
    open();
    return wait_up();
  }
  bool wait_up() {
    return loop_.until([this] { return client_->up(); });
  }
  bool wait_down() {
    return loop_.until([this] { return !client_->up(); });
  }

  ResultPtr send(std::vector<std::string> words, std::string key = "",
                 const Script* script = nullptr) {
    auto result = std::make_shared<Result>();
    client_->send(std::make_unique<TestCommand>(std::move(words), std::move(key), result, script));
    return result;
  }
  bool wait_for(const ResultPtr& result) {
    return loop_.until([&] { return result->calls > 0; });
  }
  // The answer, or "failed: " and the words.
  std::string ask(std::vector<std::string> words, std::string key = "",
                  const Script* script = nullptr) {
    const ResultPtr result = send(std::move(words), std::move(key), script);
    if (!wait_for(result)) return "never told";
    return result->answered ? result->text : "failed: " + result->text;
  }

  void close() {
    if (!client_) return;
    bool closed = false;
    client_->close([&] { closed = true; });
    EXPECT_TRUE(loop_.until([&] { return closed; }));
    client_.reset();
  }

  Client& client() { return *client_; }
  TestEvents& events() { return events_; }
  TestLoop& loop() { return loop_; }

 private:
  TestLoop loop_;
  TestEvents events_;
  std::function<void()> open_;
  std::unique_ptr<Client> client_;
};

}  // namespace quota::redis::testing
