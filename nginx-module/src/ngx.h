// nginx's C headers, and the few words needed to speak with them from C++.
#pragma once

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include <ngx_http.h>
}

#include <cstddef>
#include <string_view>

// The one symbol nginx knows this module by; defined in module.cc.
extern ngx_module_t ngx_http_quota_module;

namespace quota {

inline std::string_view view(const ngx_str_t& text) {
  return {reinterpret_cast<const char*>(text.data), text.len};
}

// nginx never writes to the strings this module hands it, but its type for them is not const.
inline ngx_str_t ngx_text(std::string_view text) {
  return {text.size(), reinterpret_cast<u_char*>(const_cast<char*>(text.data()))};
}

// An empty view with a null pointer when the pool has no memory left.
inline std::string_view copy_text(ngx_pool_t* pool, std::string_view text) {
  auto* copy = static_cast<char*>(ngx_pnalloc(pool, text.size()));
  if (copy == nullptr) return {};
  ngx_memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

// An nginx timer or posted event with a member function behind it.
//
// nginx built --with-debug reads every event's `data` as a connection to print its descriptor,
// hence the dummy one; the owner is found by the event's place inside this object.
template <typename Owner, void (Owner::*kHandler)() noexcept>
class Event {
 public:
  explicit Event(Owner* owner) : owner_(owner) {
    dummy_.fd = static_cast<ngx_socket_t>(-1);
    event_.data = &dummy_;
    event_.log = ngx_cycle->log;
    event_.cancelable = 1;
    event_.handler = [](ngx_event_t* event) {
      auto* connection = static_cast<ngx_connection_t*>(event->data);
      auto* self = static_cast<Event*>(connection->data);
      (self->owner_->*kHandler)();
    };
    dummy_.data = this;
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() {
    stop();
    if (event_.posted) {
      ngx_delete_posted_event(&event_);
    }
  }

  // Runs the handler at the end of this turn of the event loop; once, however often asked.
  void post() { ngx_post_event(&event_, &ngx_posted_events); }
  // At the end of the next turn, which takes what is there and does not sleep.
  void post_next() { ngx_post_event(&event_, &ngx_posted_next_events); }

  // ngx_add_timer keeps an armed timer when the new time is within 300 ms of the old.
  void start(ngx_msec_t delay) {
    stop();
    ngx_add_timer(&event_, delay);
  }
  void stop() {
    if (event_.timer_set) ngx_del_timer(&event_);
  }
  bool running() const { return event_.timer_set != 0; }

  // A worker told to quit waits for timers that hold it, and leaves when there are none.
  void hold_worker(bool hold) { event_.cancelable = hold ? 0 : 1; }

 private:
  Owner* owner_;
  ngx_event_t event_{};
  ngx_connection_t dummy_{};
};

}  // namespace quota
