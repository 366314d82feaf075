#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "rpc/test_parts.h"

namespace quota::rpc::test {

// Answers on a thread of its own, or never.
class ThreadedSource final : public identity::ConsumerSource {
 public:
  explicit ThreadedSource(Parts& parts) : parts_(parts) {
    parts.directory.use(this);
    thread_ = std::thread([this] { run(); });
  }
  ~ThreadedSource() override {
    parts_.directory.use(nullptr);
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    arrived_.notify_one();
    thread_.join();
  }

  void look_up(const identity::Question& question) override {
    const std::lock_guard lock(mutex_);
    if (is_silent) return;
    questions_.push_back(question);
    arrived_.notify_one();
  }

  std::atomic<bool> is_silent{false};

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      arrived_.wait(lock, [&] { return is_over_ || !questions_.empty(); });
      if (is_over_) return;
      const auto questions = std::exchange(questions_, {});
      lock.unlock();
      for (const auto& each : questions) {
        parts_.directory.answered(each, parts_.source.find(each), read_clocks().mono_us);
      }
      lock.lock();
    }
  }

  Parts& parts_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<identity::Question> questions_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace quota::rpc::test
