#pragma once

#include <cstdint>
#include <string>

#include "base/string_map.h"
#include "events/event.h"
#include "identity/lru.h"

namespace quota::events {

// What was told of whom: the threads that decide see only their own part of a consumer's requests.
// Bounded; who is forgotten may be told of again.
class Told {
 public:
  explicit Told(int64_t quiet_us, size_t most = 65'536) : quiet_us_(quiet_us), most_(most) {}

  // For every event of a consumer, in the order in which they come. False for a threshold that was
  // told before.
  bool is_news(const Event& event);

 private:
  struct Consumer {
    int64_t month_end_us = 0;
    Kind month_told = Kind::kDecision;
    int64_t denied_us = 0;       // last; 0: never
    bool is_denial_told = true;  // the first one since it was quiet
  };
  Consumer& remembered(std::string_view consumer);

  const int64_t quiet_us_;
  const size_t most_;
  identity::Lru<std::string, Consumer, StringHash> consumers_;
};

}  // namespace quota::events
