#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace quota::redis {

// Held by all that has a handle on the loop. When the last handle has closed, `ended` is called.
struct Loop {
  explicit Loop(uv_loop_t* to_use) : uv(to_use) {}
  ~Loop() {
    if (ended) ended();
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  uv_loop_t* uv;
  std::function<void()> ended;
};
using LoopPtr = std::shared_ptr<Loop>;

inline int64_t mono_us() { return static_cast<int64_t>(uv_hrtime() / 1000); }

// Calls back once per start(). It may be destroyed in its own callback.
class Timer {
 public:
  Timer(LoopPtr loop, std::function<void()> fire);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(int64_t in_us);
  void stop();
  bool active() const;

 private:
  struct Handle;
  Handle* handle_;
};

// Destroys `what` in a later turn of the loop, because some callback of it may be running.
void destroy_later(LoopPtr loop, std::shared_ptr<void> what);

}  // namespace quota::redis
