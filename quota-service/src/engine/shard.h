#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/engine.h"
#include "engine/period.h"
#include "engine/subject_table.h"

namespace quota::engine {

// A waiter and what became of its check, to be told once no lock is held.
struct Engine::Settled {
  std::unique_ptr<Waiter> waiter;
  Decision decision;
};

// A part of the subjects with the lock that guards them. Every method but the constructor expects
// the caller to hold `mutex`; none does I/O.
struct Engine::Shard {
 public:
  Shard(const EngineOptions& options, size_t consumers, size_t anonymous, Store& store);

  mutable std::mutex mutex;

  bool decide(const Charge& charge, size_t hash, Now now, Decision& decision,
              MakeWaiter make_waiter);
  void on_grant(const Grant& grant, size_t hash, Now now, std::vector<Settled>& settled);
  void expire_waiters(Now now, std::vector<Settled>& settled);
  void forget_idle(Now now);
  void reset(std::string_view subject, size_t hash, bool anonymous, int billing_day, Now now,
             std::vector<Settled>& settled);
  void close(Now now, std::vector<SavedBucket>& saved);
  void restore(const SavedBucket& bucket, size_t hash, Now now);
  void add_to(EngineStats& stats) const;

 private:
  enum class Attempt { kDecided, kNeedsStore };
  struct Waiting {
    std::unique_ptr<Waiter> waiter;
    int64_t since_us;
  };

  Attempt attempt(Record& record, const Charge& charge, Now now, bool without_store,
                  Decision& decision);
  // Fills in why a check is refused; false when nothing refuses it.
  static bool refuse(const Bucket& bucket, const Month& month, const Charge& charge,
                     const Period* period, Now now, Decision& decision);
  static void describe(const Bucket& bucket, const Month& month, const Charge& charge,
                       const Period* period, Now now, Decision& decision);
  void enter_period(Record& record, int32_t period);
  void prefetch(Record& record, const Charge& charge, Now now);
  void request(Record& record, const Charge& charge, int64_t cost, Now now);
  void retry_waiters(Record& record, Now now, bool without_store, std::vector<Settled>& settled);

  Record* admit(const Charge& charge, size_t hash, Now now);
  bool make_room(SubjectTable& table, Now now);
  bool may_leave(const Record& record, Now now) const;
  void give_back(const Record& record);
  SubjectTable& table(bool anonymous) { return anonymous ? anonymous_ : consumers_; }

  const EngineOptions& options_;
  Store& store_;
  SubjectTable consumers_;
  SubjectTable anonymous_;
  PeriodCache periods_;
  absl::flat_hash_map<Record*, std::vector<Waiting>> waiting_;
  uint64_t next_seq_ = 1;
  uint64_t evicted_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace quota::engine
