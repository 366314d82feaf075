#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "store/redis_calls.h"
#include "store/usage_channel.h"
#include "store/usage_commands.h"
#include "store/usage_journal.h"
#include "usage/usage_store.h"

namespace quota::store {

// Tells Redis of usage, exactly once (see usage.lua). What Redis cannot be told is kept, and
// written into the journal, until it can; a later life tells it for one that has ended. All but
// stats() is for one thread.
class UsageTeller {
 public:
  // As RedisCalls::send(): never blocks, and tells on any thread what came of the call.
  using Send = std::function<bool(RedisCalls::Call)>;

  // The journal may be null. Whoever tells what came of a call must have done so before the end.
  UsageTeller(Send send, std::unique_ptr<UsageJournal> journal,
              std::function<Now()> clock = read_clocks);

  // What earlier lives could not tell. Before the first add().
  absl::Status load();
  // As those of usage::UsageStore.
  void add(const usage::Sums& sums, int64_t unix_us, bool is_last);
  absl::Status close();
  usage::UsageStore::Stats stats() const;

 private:
  using ChannelPtr = std::unique_ptr<UsageChannel>;
  struct Heard {
    UsageChannel* channel = nullptr;
    absl::StatusOr<UsageAnswer> answer;
  };
  UsageChannel& channel(const std::string& holder, int shard);
  void tell(int64_t unix_us, bool is_last);
  void send_next(UsageChannel& channel, int64_t unix_us, bool asks = false);
  std::vector<Heard> wait_until(std::chrono::steady_clock::time_point deadline);
  bool take_in(const Heard& heard);
  void write_down();
  void publish();
  void journal_said(const absl::Status& status);

  // Of the thread that adds.
  const std::string holder_;
  const std::unique_ptr<UsageJournal> journal_;
  const std::function<Now()> clock_;
  const redis::Script script_;
  const Send send_;
  std::map<std::pair<std::string, int>, ChannelPtr> channels_;  // by holder and shard
  size_t under_way_ = 0;
  bool is_refused_ = false;
  bool journal_works_ = true;

  std::mutex mutex_;  // guards what follows
  std::condition_variable arrived_;
  std::vector<Heard> heard_;

  std::atomic<uint64_t> written_{0}, failed_{0}, pending_{0};
};

}  // namespace quota::store
