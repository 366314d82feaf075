#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>

#include "redis/client.h"
#include "redis/loop.h"
#include "redis/tls.h"

namespace quota::redis {

// Written by the loop's thread only, read by any.
class Counter {
 public:
  void add() { value_.store(value() + 1, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct Counters {
  Counter connects, connect_failures, timeouts, redirects, retries, failovers, slot_refreshes;
};

// What all parts of one client share.
struct Context {
  Context(LoopPtr on, ClientOptions with) : loop(std::move(on)), options(std::move(with)) {}

  // Somewhere from half of `us` to all of it, so that many clients do not come back as one.
  int64_t jittered(int64_t us) {
    return std::uniform_int_distribution<int64_t>(us / 2, us)(random);
  }
  size_t pick(size_t from) { return std::uniform_int_distribution<size_t>(0, from - 1)(random); }

  LoopPtr loop;
  ClientOptions options;
  std::shared_ptr<const Tls> tls;
  std::minstd_rand random{std::random_device{}()};
  size_t waiting = 0;  // commands that wait for their turn, of all nodes
  std::shared_ptr<Counters> counters = std::make_shared<Counters>();
};
using ContextPtr = std::shared_ptr<Context>;

// The time to the next attempt: doubled with each, until one was good.
class Backoff {
 public:
  int64_t next(Context& context) {
    const ClientOptions& options = context.options;
    us_ = us_ == 0 ? options.least_backoff_us : std::min(us_ * 2, options.most_backoff_us);
    return context.jittered(us_);
  }
  void reset() { us_ = 0; }

 private:
  int64_t us_ = 0;
};

}  // namespace quota::redis
