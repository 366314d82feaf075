#include "engine/caretaker.h"

#include <chrono>

namespace quota::engine {

Caretaker::Caretaker(Engine& engine) : engine_(engine) {
  engine_.on_first_waiter([this] {
    {
      const std::lock_guard lock(mutex_);
      called_ = true;
    }
    changed_.notify_one();
  });
  thread_ = std::thread([this] { run(); });
}

Caretaker::~Caretaker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Caretaker::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    called_ = false;
    lock.unlock();
    const int64_t rest_us = engine_.tend(read_clocks());
    lock.lock();
    changed_.wait_for(lock, std::chrono::microseconds(rest_us),
                      [this] { return stopping_ || called_; });
  }
}

}  // namespace quota::engine
