#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quota::events {

// Where events go. Fire and forget: what cannot be written now is counted, and not kept.
class Sink {
 public:
  virtual ~Sink() = default;
  // By one thread. Each event is one JSON object on one line, without its end.
  virtual void write(const std::vector<std::string>& events) = 0;

  struct Stats {  // of events
    uint64_t written = 0;
    uint64_t failed = 0;
    uint64_t dropped = 0;  // not even tried: too much was under way
  };
  virtual Stats stats() const = 0;  // by any thread
};

}  // namespace quota::events
