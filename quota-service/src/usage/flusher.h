#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "usage/meter.h"
#include "usage/usage_store.h"

namespace quota::usage {

// Brings what the meters have counted into the store, each second, on a thread of its own.
class Flusher {
 public:
  // Shown what was counted since the last time, row by row; one key may come several times.
  using Observer = std::function<void(const Row&)>;

  Flusher(
      std::vector<std::shared_ptr<Meter>> meters, UsageStore& store,
      Observer observer = [](const Row&) {});
  ~Flusher();  // without stop() this is like a crash
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  void start();
  // Ends the thread, and brings in what there is.
  void stop();
  // One round, without the thread.
  void flush(int64_t unix_us, bool is_last = false);

 private:
  void run();
  void end_thread();

  const std::vector<std::shared_ptr<Meter>> meters_;
  UsageStore& store_;
  const Observer observer_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace quota::usage
