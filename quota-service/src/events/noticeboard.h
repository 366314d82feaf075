#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace quota::events {

// Where all quotads put up what they have told, so that it is told once.
class Noticeboard {
 public:
  enum class Answer : uint8_t {
    kFirst,    // nobody has told it yet
    kTold,     // somebody has
    kUnknown,  // nobody could be asked
  };
  virtual ~Noticeboard() = default;
  // Puts up a notice for `ttl_ms`. `answered` is called once, on any thread, maybe at once.
  virtual void put_up(std::string notice, int64_t ttl_ms, std::function<void(Answer)> answered) = 0;
};

}  // namespace quota::events
