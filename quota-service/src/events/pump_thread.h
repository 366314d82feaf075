#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "events/pump.h"

namespace quota::events {

// Has a pump work at a steady pace until it is stopped, and once more then.
class PumpThread {
 public:
  PumpThread(Pump& pump, std::chrono::milliseconds interval);
  ~PumpThread() { stop(); }
  PumpThread(const PumpThread&) = delete;
  PumpThread& operator=(const PumpThread&) = delete;

  // When nobody decides any more. The pump is finished then.
  void stop();

 private:
  void run(std::chrono::milliseconds interval);

  Pump& pump_;
  std::mutex mutex_;
  std::condition_variable ending_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace quota::events
