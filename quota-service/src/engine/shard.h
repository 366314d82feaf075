#pragma once

#include <cstdint>
#include <deque>
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

// A part of the subjects with the lock that guards them. Every method but the constructor and
// the prefetches expects the caller to hold `mutex`; none does I/O.
struct Engine::Shard {
 public:
  Shard(const EngineOptions& options, size_t consumers, size_t anonymous, Store& store);

  mutable std::mutex mutex;

  bool decide(const Charge& charge, size_t hash, Now now, Decision& decision,
              MakeWaiter make_waiter);
  void on_grant(const Grant& grant, size_t hash, Now now, std::vector<Settled>& settled);
  void expire_waiters(Now now, std::vector<Settled>& settled);
  void forget_idle(Now now);
  // Gives back leases that lie idle, renews others, and tells the store what was spent on credit.
  void tend_leases(Now now);
  // Tells the store again what was spent, of some subjects; `resets` is the newest reset.
  void register_again(uint32_t resets, Now now);
  void reset(std::string_view subject, size_t hash, bool anonymous, int billing_day, Now now,
             std::vector<Settled>& settled);
  void close(Now now, std::vector<SavedBucket>& saved);
  void restore(const SavedBucket& bucket, size_t hash, Now now);
  void add_to(EngineStats& stats) const;
  std::optional<LeaseView> lease_of(std::string_view subject, size_t hash, Now now);

  // These two expect no lock.
  void prefetch_index(size_t hash, bool anonymous) const {
    (anonymous ? anonymous_ : consumers_).prefetch_index(hash);
  }
  void prefetch_record(size_t hash, bool anonymous) const {
    (anonymous ? anonymous_ : consumers_).prefetch_record(hash);
  }

 private:
  enum class Attempt { kDecided, kNeedsStore };
  struct DueLease {
    Record* record;
    int64_t at_us;
    int64_t spent;  // ever, when it was put here
  };
  struct Waiting {
    std::unique_ptr<Waiter> waiter;
    int64_t since_us;
  };

  Attempt attempt(Record& record, const Charge& charge, Now now, bool without_store,
                  Decision& decision);
  static void apply_mode(const Charge& charge, Decision& decision);
  // Fills in why a check is refused; false when nothing refuses it.
  static bool refuse(const Bucket& bucket, const Month& month, const Charge& charge,
                     const Period* period, Now now, Decision& decision);
  static void describe(const Bucket& bucket, const Month& month, const Charge& charge,
                       const Period* period, Now now, Decision& decision);
  static int64_t capacity(const Charge& charge);
  // No full bucket and no whole month could ever hold the cost.
  static bool exceeds_limits(const Charge& charge);
  static void deny(Decision& decision, Reason reason, int64_t retry_after_us);
  void enter_period(Record& record, int32_t period);
  void prefetch(Record& record, const Charge& charge, Now now);
  void request(Record& record, const Charge& charge, int64_t cost, Now now);
  void retry_waiters(Record& record, Now now, bool without_store, std::vector<Settled>& settled);

  // The same for a store that several engines share: shard_leases.cc.
  Attempt attempt_leased(Record& record, const Charge& charge, const Period* period, Now now,
                         bool without_store, Decision& decision);
  bool attempt_lost(Record& record, const Charge& charge, const Period* period, Now now,
                    Decision& decision);
  void prefetch_lease(Record& record, const Charge& charge, Now now);
  void request_lease(Record& record, const Charge& charge, int64_t cost, int64_t all, Now now);
  void take_in(Record& record, const Grant& grant, Now now);
  void tend_lease(Record& record, const DueLease& due, Now now);
  void look_later(Record& record, Now now);
  void owe(Record& record, const Charge& charge);
  void pay(Record& record, Now now);

  Record* admit(const Charge& charge, size_t hash, Now now);
  bool make_room(SubjectTable& table, Now now);
  bool may_leave(const Record& record, Now now) const;
  void give_back(Record& record);
  SubjectTable& table(bool anonymous) { return anonymous ? anonymous_ : consumers_; }

  const EngineOptions& options_;
  Store& store_;
  const bool is_shared_;
  SubjectTable consumers_;
  SubjectTable anonymous_;
  PeriodCache periods_;
  absl::flat_hash_map<Record*, std::vector<Waiting>> waiting_;
  std::deque<DueLease> due_;    // leases that will be looked at, the next one first
  std::vector<Record*> owing_;  // each has owed, and is looked at by the caretaker
  uint64_t next_seq_ = 1;
  // The most that a forgotten lease had spent. A new one counts on from there: for the store it may
  // be the same one still.
  int64_t spent_before_ = 0;
  int64_t owed_ = 0;  // spent without a lease, and the store was not told yet
  uint64_t evicted_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace quota::engine
