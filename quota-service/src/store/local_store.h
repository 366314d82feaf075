#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/time.h"
#include "engine/engine.h"
#include "engine/store.h"
#include "store/consumer_store.h"
#include "store/mode_store.h"

namespace quota::store {

struct LocalStoreOptions {
  std::function<Now()> clock = read_clocks;
  int64_t retry_us = 250'000;  // between attempts to write while writing fails
};

// The embedded store: one SQLite file in WAL mode, written in batches by a thread of its own.
class LocalStore final : public engine::Store, public ConsumerStore, public ModeStore {
 public:
  // Creates the file or opens it. Refuses, in one sentence, what is corrupt, foreign, of a newer
  // version, held by another quotad, or not writable.
  static absl::StatusOr<std::unique_ptr<LocalStore>> open(const std::string& path,
                                                          LocalStoreOptions options = {});
  // Without close() this is like a crash: what is still queued is dropped.
  ~LocalStore() override;

  // Before the first reserve(). The sink must live until close() returns or the store is destroyed.
  void start(engine::GrantSink* sink) override;
  // The queue has no bound of its own: the engine has at most one reserve per subject under way,
  // and settles a subject once when it forgets it.
  void reserve(engine::Reserve request) override;
  void settle(engine::MonthKey month, int64_t used) override;
  void spend(engine::MonthKey month, int64_t amount) override;
  // Whatever is spent is in the file, or in memory until the file can be written.
  void journal(engine::MonthKey, int64_t, bool) override {}
  void reset(engine::MonthKey month) override { settle(std::move(month), 0); }
  bool healthy() const override;

  absl::StatusOr<std::optional<policy::Consumer>> find_consumer(std::string_view id) override;
  absl::StatusOr<std::vector<policy::Consumer>> list_consumers(std::string_view after,
                                                               size_t limit) override;
  absl::StatusOr<policy::Consumer> change_consumer(std::string_view id,
                                                   const Change& change) override;
  absl::Status remove_consumer(std::string_view id) override;
  absl::Status put_consumer(const policy::Consumer& consumer);
  absl::StatusOr<std::vector<policy::Consumer>> load_consumers();  // all, at the start

  absl::StatusOr<ModeRecord> put_mode(std::optional<policy::Mode> mode, int64_t unix_ms) override;
  absl::Status watch_mode(Heard heard) override;

  // What the durable count of a month says (the mark): for the admin API.
  absl::StatusOr<int64_t> month_mark(const engine::MonthKey& month);

  // Taken out of the file as they are read, so that a crash after a start never finds them again.
  // On an error the buckets must not be used: all subjects start anew.
  absl::StatusOr<std::vector<engine::SavedBucket>> take_buckets();
  // Carries out everything queued, saves the buckets, stops the thread and lets the file go. Called
  // once, last. On an error the marks stay as they were: no subject gets more than its month.
  absl::Status close(const std::vector<engine::SavedBucket>& buckets);

  struct Stats {
    uint64_t batches = 0;   // transactions written
    uint64_t requests = 0;  // reserves and settles carried out
    uint64_t refused = 0;   // reserves answered with ok=false
    uint64_t failures = 0;  // transactions that could not be written
    uint64_t busy_us = 0;   // time spent on batches, written or not
    uint64_t queue = 0;     // waiting to be carried out, or to be written when that works again
    bool up = true;
  };
  Stats stats() const;

 private:
  class Impl;
  explicit LocalStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  std::mutex mode_mutex_;  // so that changes are heard of in the order of the file
  Heard heard_;
};

}  // namespace quota::store
