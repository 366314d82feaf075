#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "engine/store.h"
#include "store/consumer_store.h"

namespace quota::store {

// The embedded store: one SQLite file in WAL mode, written in batches by a thread of its own.
class LocalStore final : public engine::Store, public ConsumerStore {
 public:
  // Creates the file or opens it. Refuses, in one sentence, what is corrupt, foreign, of a newer
  // version, held by another quotad, or not writable.
  static absl::StatusOr<std::unique_ptr<LocalStore>> open(const std::string& path);
  ~LocalStore() override;

  void start(engine::GrantSink* sink) override;
  void reserve(engine::Reserve request) override;
  void settle(engine::MonthKey month, int64_t used) override;
  bool healthy() const override;

  absl::StatusOr<std::vector<policy::Consumer>> load_consumers() override;
  absl::Status put_consumer(const policy::Consumer& consumer) override;
  absl::Status remove_consumer(std::string_view id) override;

  // What the durable count of a month says (the mark): for the admin API.
  absl::StatusOr<int64_t> month_mark(const engine::MonthKey& month);

  // Taken out of the file as they are read, so that a crash after a start never finds them again.
  absl::StatusOr<std::vector<engine::SavedBucket>> take_buckets();
  // Carries out everything queued, saves the buckets, and stops the thread. Called once, last.
  absl::Status close(const std::vector<engine::SavedBucket>& buckets);

  struct Stats {
    uint64_t batches = 0;
    uint64_t requests = 0;
    uint64_t failures = 0;
    uint64_t queue = 0;
    bool up = true;
  };
  Stats stats() const;

 private:
  class Impl;
  explicit LocalStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quota::store
