#include "events/pump_thread.h"

namespace quota::events {

PumpThread::PumpThread(Pump& pump, std::chrono::milliseconds interval)
    : pump_(pump), thread_([this, interval] { run(interval); }) {}

void PumpThread::run(std::chrono::milliseconds interval) {
  std::unique_lock lock(mutex_);
  while (!ending_.wait_for(lock, interval, [this] { return is_ending_; })) {
    lock.unlock();
    pump_.drain(read_clocks());
    lock.lock();
  }
}

void PumpThread::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  ending_.notify_one();
  thread_.join();
  pump_.finish(read_clocks());
}

}  // namespace quota::events
