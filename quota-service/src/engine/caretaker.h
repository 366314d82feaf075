#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/engine.h"

namespace quota::engine {

// The thread that calls Engine::tend: soon while checks wait for the store, once a second
// otherwise.
class Caretaker {
 public:
  explicit Caretaker(Engine& engine);
  ~Caretaker();  // stops and joins
  Caretaker(const Caretaker&) = delete;
  Caretaker& operator=(const Caretaker&) = delete;

 private:
  void run();

  Engine& engine_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool called_ = false;
  std::thread thread_;
};

}  // namespace quota::engine
