#include "redis/loop.h"

#include <algorithm>
#include <utility>

namespace quota::redis {

struct Timer::Handle {
  uv_timer_t timer{};
  LoopPtr loop;
  std::function<void()> fire;
};

Timer::Timer(LoopPtr loop, std::function<void()> fire)
    : handle_(new Handle{{}, std::move(loop), std::move(fire)}) {
  uv_timer_init(handle_->loop->uv, &handle_->timer);
  handle_->timer.data = handle_;
}

Timer::~Timer() {
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->timer),
           [](uv_handle_t* handle) { delete static_cast<Handle*>(handle->data); });
}

void Timer::start(int64_t in_us) {
  // Rounded up: a timer that fires early finds nothing to do.
  const int64_t in_ms = (std::max<int64_t>(in_us, 0) + 999) / 1000;
  uv_timer_start(
      &handle_->timer, [](uv_timer_t* timer) { static_cast<Handle*>(timer->data)->fire(); },
      static_cast<uint64_t>(in_ms), 0);
}

void Timer::stop() { uv_timer_stop(&handle_->timer); }

bool Timer::active() const {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(&handle_->timer)) != 0;
}

void destroy_later(LoopPtr loop, std::shared_ptr<void> what) {
  struct Grave {
    uv_timer_t timer{};
    LoopPtr loop;
    std::shared_ptr<void> what;
  };
  auto* grave = new Grave{{}, std::move(loop), std::move(what)};
  uv_timer_init(grave->loop->uv, &grave->timer);
  grave->timer.data = grave;
  uv_close(reinterpret_cast<uv_handle_t*>(&grave->timer),
           [](uv_handle_t* handle) { delete static_cast<Grave*>(handle->data); });
}

}  // namespace quota::redis
