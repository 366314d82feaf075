#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "redis/client.h"
#include "store/lease_call.h"
#include "store/lease_commands.h"
#include "store/marker.h"
#include "store/redis_store.h"
#include "store/requests.h"
#include "store/unsettled.h"

namespace quota::store {

// What else the Redis store is asked to do.
struct Noted {
  engine::MonthKey month;
  int64_t used = 0;
  bool loaded = false;
};
struct Reset {
  engine::MonthKey month;
};
using Work = std::function<void(redis::Client&)>;
using RedisRequest = std::variant<engine::Reserve, Settle, Spend, Noted, Reset, Work>;

// What the store's thread does: it turns requests into calls, and answers into grants. Everything
// but up(), engines() and stats() happens on the loop's thread, or before that runs.
class RedisSession final : public redis::ClientEvents {
 public:
  // `heard` is called when Redis is there, with OK, or is refused, with why.
  using Heard = std::function<void(const absl::Status&)>;
  RedisSession(uv_loop_t* loop, const RedisStoreOptions& options, std::unique_ptr<Journal> journal,
               Heard heard);

  // What earlier lives could not tell.
  absl::Status load();
  void set_sink(engine::GrantSink* sink) { sink_.store(sink, std::memory_order_release); }
  redis::Client& client() { return *client_; }

  void carry_out(RedisRequest& request);
  // After all that has happened in one turn of the loop.
  void turn_ended();
  void heartbeat();
  // Tells what there is to tell, leaves, and says so; at the latest after options.farewell_us.
  void say_farewell(std::function<void()> done);
  // The last chance to write down what was not told. Returns how many months that are.
  size_t write_down();

  bool is_up() const { return up_.load(std::memory_order_relaxed); }
  int engines() const { return engines_.load(std::memory_order_relaxed); }
  RedisStore::Stats stats() const;

 private:
  void on_node(redis::Node& node, Ask ask, Ready ready) override;
  void on_up(bool up, std::string_view why) override;
  // Returns what goes into the node's tag.
  int64_t take_in(const Marker::State& state);
  void refresh_markers();
  void leave();

  void carry_out_one(engine::Reserve& request);
  void carry_out_one(Settle& settled);
  void carry_out_one(Spend& spent);
  void carry_out_one(Noted& noted);
  void carry_out_one(Reset& reset);
  void carry_out_one(Work& work) { work(*client_); }

  using Answered = std::function<void(const LeaseCall::Outcome&)>;
  void send(engine::Reserve request, std::string holder, uint64_t seq, Answered answered);
  void tell_unsettled();
  void tell(const Journal::Entry& entry);
  void count_call(int64_t us);
  void refused(std::string_view words);

  const RedisStoreOptions& options_;
  const LeaseTerms terms_;
  const Heard heard_;
  Unsettled unsettled_;
  Marker marker_;
  std::unique_ptr<redis::Client> client_;
  std::vector<engine::Grant> grants_;
  uint64_t last_seq_ = 0;
  bool warned_of_policy_ = false;
  int64_t warned_of_refusal_us_ = INT64_MIN / 2;
  std::weak_ptr<void> refresh_;  // of the markers, while one is under way
  std::function<void()> farewell_;
  int64_t farewell_at_us_ = INT64_MAX;

  // What others read, or set.
  std::atomic<engine::GrantSink*> sink_{nullptr};
  std::atomic<bool> up_{false};
  std::atomic<int> engines_{1};
  std::atomic<int64_t> paused_until_us_{INT64_MIN};
  std::atomic<int64_t> refused_until_us_{INT64_MIN};
  std::atomic<uint64_t> granted_{0}, failed_{0}, timeouts_{0}, settled_{0}, journalled_{0},
      unsettled_now_{0}, resets_{0}, call_us_{0};
  std::array<std::atomic<uint64_t>, kCallBoundsUs.size() + 1> calls_{};
};

}  // namespace quota::store
