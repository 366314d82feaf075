#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "events/noticeboard.h"
#include "events/sink.h"
#include "store/redis_calls.h"
#include "telemetry/throttle.h"

namespace quota::store {

struct RedisEventsOptions {
  int streams = 4;               // quota:events:{0} to …{streams - 1}
  int maxlen = 2'000;            // entries of each, about
  size_t most_bytes = 64 << 10;  // of one entry, unless one event alone is larger
  int64_t most_in_flight = 8;    // entries written and not answered
};

// Events as entries of Redis Streams, and what was told of thresholds. Over the connection of the
// store, which has more important things to do: so little of it is under way at once, and nothing
// is tried again.
class RedisEvents final : public events::Sink, public events::Noticeboard {
 public:
  // `calls` sends a command and says whether somebody will be told what came of it.
  using Send = std::function<bool(RedisCalls::Call)>;
  RedisEvents(RedisEventsOptions options, Send send);
  ~RedisEvents() override;

  void write(const std::vector<std::string>& events) override;
  Stats stats() const override;

  void put_up(std::string notice, int64_t ttl_ms, std::function<void(Answer)> answered) override;

 private:
  // What answers need that come when this is gone.
  struct Shared {
    std::atomic<int64_t> in_flight{0};
    std::atomic<uint64_t> written{0};
    std::atomic<uint64_t> failed{0};
    telemetry::Throttle log;
  };
  void add(std::string entry, size_t events);

  const RedisEventsOptions options_;
  const Send send_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  uint64_t turn_;
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace quota::store
