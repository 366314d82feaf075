#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "identity/consumer_source.h"
#include "identity/partial_directory.h"
#include "redis/client.h"
#include "store/consumer_store.h"
#include "store/redis_calls.h"

namespace quota::store {

// Managed consumers in Redis, shared by all quotads (see consumers.lua). The decision path knows
// them through a partial directory, which is told of every change that anybody makes.
class RedisConsumers final : public ConsumerStore, public identity::ConsumerSource {
 public:
  // On the thread of the client's loop, or before it runs. All three outlive it.
  RedisConsumers(uv_loop_t* loop, redis::Client& client, identity::PartialDirectory& directory);
  // After close() and after the client has closed.
  ~RedisConsumers() override;

  // On the loop's thread, before the client is closed. Nobody is looked up any more.
  void close();

  void look_up(const identity::Question& question) override;

  absl::StatusOr<std::optional<policy::Consumer>> find_consumer(std::string_view id) override;
  // Walks through all of them: for people, not for machines.
  absl::StatusOr<std::vector<policy::Consumer>> list_consumers(std::string_view after,
                                                               size_t limit) override;
  absl::StatusOr<policy::Consumer> change_consumer(std::string_view id,
                                                   const Change& change) override;
  absl::Status remove_consumer(std::string_view id) override;

  // Records that could not be read, each time they were met.
  uint64_t unreadable() const { return unreadable_.load(std::memory_order_relaxed); }

 private:
  struct Page {
    std::string cursor;
    std::map<std::string, policy::Consumer> consumers;
  };
  RedisCalls::Call get(std::string_view id) const;
  RedisCalls::Call run(std::vector<std::string> arguments) const;
  std::optional<policy::Consumer> read(std::string_view record,
                                       std::optional<std::string_view> id = std::nullopt);
  absl::StatusOr<Page> scan(const std::string& cursor, std::string_view after);
  void on_message(std::string_view message);

  identity::PartialDirectory& directory_;
  RedisCalls calls_;
  const redis::Script script_;
  std::atomic<uint64_t> unreadable_{0};
  std::atomic<int64_t> warned_us_{0};
};

}  // namespace quota::store
