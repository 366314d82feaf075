#pragma once

#include <memory>

#include "store/redis_calls.h"
#include "store/usage_teller.h"

namespace quota::store {

// Usage in Redis, added up by all quotads.
class RedisUsage final : public usage::UsageStore {
 public:
  // On the thread of the client's loop, or before it runs. The client outlives it. Without a
  // journal, what Redis cannot be told is in memory only.
  RedisUsage(uv_loop_t* loop, redis::Client& client, std::unique_ptr<UsageJournal> journal)
      : teller_([this](RedisCalls::Call call) { return calls_.send(std::move(call)); },
                std::move(journal)),
        calls_(loop, client) {}

  // What earlier lives could not tell. Before the first add().
  absl::Status load() { return teller_.load(); }
  // On the loop's thread, before the client is closed. From now on there is only the journal.
  void shut() { calls_.close(); }

  void add(usage::Sums sums, int64_t unix_us, bool is_last) override {
    teller_.add(sums, unix_us, is_last);
  }
  absl::StatusOr<usage::Page> read(const usage::Query& query) override {
    return read_usage(calls_, query);
  }
  absl::Status close() override { return teller_.close(); }
  Stats stats() const override { return teller_.stats(); }

 private:
  UsageTeller teller_;
  RedisCalls calls_;
};

}  // namespace quota::store
