#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/time.h"
#include "engine/decision.h"
#include "engine/store.h"
#include "policy/policy.h"

namespace quota::engine {

struct EngineOptions {
  int64_t max_subjects = 1'000'000;  // consumers in memory
  int64_t max_anonymous = 250'000;   // anonymous addresses in memory
  int64_t idle_retention_us = 3'600'000'000;
  int64_t store_timeout_us = 5'000;  // how long a check waits for the store
  int64_t lease_ttl_us = 2'000'000;  // of a lease of a shared store
  bool exact = false;                // of a shared store: take what a check costs, and no more
};

// What one check wants of one subject. Views must stay valid during the call only.
struct Charge {
  std::string_view subject;  // Subject::key
  bool anonymous = false;
  policy::Limits limits;
  int64_t burst_milli = 1500;
  int billing_day = 1;
  int64_t cost = 0;  // milli, hits included
  size_t hash = 0;   // Engine::hash_of(subject), where that is known
  bool peek = false;
  policy::Mode mode = policy::Mode::kEnforce;
  policy::StoreLost store_lost = policy::StoreLost::kLocalShare;
};

// Somebody whose check waits for the store. `decided` is called once, on the store's thread or the
// caretaker's, with no lock held.
class Waiter {
 public:
  virtual ~Waiter() = default;
  virtual const Charge& charge() const = 0;  // owned by the waiter
  virtual void decided(const Decision& decision) = 0;
};

// A bucket as it is saved at a clean stop and taken up again at the next start.
struct SavedBucket {
  std::string subject;
  bool anonymous = false;
  int64_t limit = 0;
  int64_t level = 0;
  int64_t unix_us = 0;  // when the level was that
};

struct EngineStats {
  int64_t consumers = 0;
  int64_t anonymous = 0;
  uint64_t evicted = 0;
  uint64_t refused_for_capacity = 0;
  uint64_t waiting = 0;
  int64_t leased = 0;  // milli-tokens of minute leases that may be spent now
  int64_t owed = 0;    // milli-tokens spent without a lease, not yet told to the store
};

// What an engine may spend of one subject where the store is shared: for tests and the admin API.
struct LeaseView {
  int64_t usable = 0;  // of the minute, now
  int64_t spent = 0;   // of leases of the minute, ever
  int64_t debt = 0;
  int32_t period = 0;
  bool month_loaded = false;
  int64_t month_used = 0;
  int64_t month_mark = 0;

  friend bool operator==(const LeaseView&, const LeaseView&) = default;
};

// Buckets and months of all subjects, and the decision. It does no I/O and reads no clock.
class Engine final : public GrantSink {
 public:
  Engine(EngineOptions options, Store& store);
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  using MakeWaiter = absl::FunctionRef<std::unique_ptr<Waiter>()>;

  static size_t hash_of(std::string_view subject);

  // Hints before a run of decisions: the first for each of them, then the second for each. They
  // bring what decide() will read of the charge's subject, by its hash, into the cache, so that
  // memory is waited for once and not with every decision. No lock, no effect on any decision.
  void prefetch_index(const Charge& charge) const;
  void prefetch_record(const Charge& charge) const;
  // Decides now and returns true, or takes a waiter from `make_waiter` and returns false.
  bool decide(const Charge& charge, Now now, Decision& decision, MakeWaiter make_waiter);

  // Answers waiters whose time is up, and forgets idle subjects a few at a time. Returns how long
  // the caller may stay away when nothing new happens.
  int64_t tend(Now now);

  void on_grants(const std::vector<Grant>& grants, Now now) override;
  void on_store_reset() override;

  // The subject starts anew: a full minute bucket and nothing used this month.
  void reset(std::string_view subject, bool anonymous, int billing_day, Now now);

  // At a clean stop, when no more checks come: settles every month and gives every bucket that is
  // not as new.
  std::vector<SavedBucket> close(Now now);
  void restore(const std::vector<SavedBucket>& buckets, Now now);

  EngineStats stats() const;
  bool is_shared() const { return store_.is_shared(); }
  // False while a shared store cannot be told of anything, a reset least of all.
  bool can_reset() const { return !store_.is_shared() || store_.healthy(); }
  // Nothing for a subject that holds no lease here.
  std::optional<LeaseView> lease_of(std::string_view subject, Now now) const;
  // Called, under no lock, when the first waiter arrives, so that the caretaker comes sooner. Set
  // before the first decision.
  void on_first_waiter(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  struct Shard;
  struct Settled;
  Shard& shard_of(size_t hash) const;
  void tell(std::vector<Settled>& settled);

  const EngineOptions options_;
  Store& store_;
  std::function<void()> wake_ = [] {};
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<int64_t> waiting_{0};
  int64_t tended_us_ = INT64_MIN / 2;  // the caretaker's alone
  std::atomic<uint32_t> resets_{0};    // of the store
};

}  // namespace quota::engine
