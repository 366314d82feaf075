#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/time.h"
#include "engine/store.h"
#include "redis/client.h"

namespace quota::store {

inline constexpr std::array<int64_t, 10> kCallBoundsUs = {100,   250,    500,    1'000,   2'500,
                                                          5'000, 10'000, 25'000, 100'000, 250'000};

struct RedisStoreOptions {
  redis::ClientOptions client;
  int64_t lease_ttl_us = 2'000'000;
  int64_t idle_retention_us = 3'600'000'000;
  std::string journal;                   // file of what Redis could not be told; empty: none
  int64_t first_contact_us = 2'000'000;  // how long open() waits for Redis to be heard of
  int64_t farewell_us = 2'000'000;       // how long close() waits for it
  std::function<Now()> clock = read_clocks;
  // For whoever shares the client: before the thread runs, and on it before the client closes.
  std::function<void(uv_loop_t*, redis::Client&)> on_open = [](uv_loop_t*, redis::Client&) {};
  std::function<void()> on_close = [] {};
};

// Buckets and months in Redis, for any number of quotads: leases by lease.lua, over connections and
// a thread of its own.
class RedisStore final : public engine::Store {
 public:
  // Refuses a Redis that may evict buckets, and a journal that cannot be kept. A Redis that cannot
  // be reached is no error: it may come.
  static absl::StatusOr<std::unique_ptr<RedisStore>> open(RedisStoreOptions options);
  // Without close() this is like a crash: what is queued is dropped.
  ~RedisStore() override;

  void start(engine::GrantSink* sink) override;
  void reserve(engine::Reserve request) override;
  void settle(engine::MonthKey month, int64_t used) override;
  void spend(engine::MonthKey month, int64_t amount) override;
  void journal(engine::MonthKey month, int64_t used, bool loaded) override;
  void reset(engine::MonthKey month) override;
  bool is_shared() const override { return true; }
  int engines() const override;
  bool healthy() const override;

  // What has been used of a month, by all, or is leased out: for the admin API.
  absl::StatusOr<int64_t> month_used(const engine::MonthKey& month);

  // Tells Redis what there is to tell, and leaves the rest in the journal. Called once, last.
  absl::Status close();

  struct Stats {
    uint64_t granted = 0;   // lease calls that were answered
    uint64_t timeouts = 0;  // that were not, because the time was up
    uint64_t failed = 0;    // and for any other reason
    uint64_t settled = 0;   // months that were settled
    uint64_t journalled = 0;
    uint64_t unsettled = 0;  // months that wait to be told to Redis
    uint64_t resets = 0;     // times that Redis had lost data, or may have
    // Answered lease calls by the time from sending to the answer; the last is above all bounds.
    std::array<uint64_t, kCallBoundsUs.size() + 1> calls{};
    uint64_t call_us = 0;  // the sum of those times
    uint64_t connects = 0;
    bool up = false;
    bool is_paused = false;   // Redis has lost data, and nothing is granted yet
    bool is_refused = false;  // Redis answers, and says no
    int engines = 1;
  };
  Stats stats() const;

 private:
  class Impl;
  explicit RedisStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quota::store
