#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace quota::engine {

// A month of one subject: "c:acme" and the first day of the billing month, in days since 1970.
struct MonthKey {
  std::string subject;
  int32_t period = 0;

  friend bool operator==(const MonthKey&, const MonthKey&) = default;
};

// Where the store is shared, a request under another minute limit than is usual for its subject has
// a bucket of its own, and shares the subject's month: "o<limit>:<subject>".
inline constexpr char kOwnBucket = 'o';

// A limit that is meant as it is in the store, because the caller does not know it.
inline constexpr int64_t kUnchanged = -2;

// The part of a call that concerns the minute bucket, where the store keeps that for several
// engines. What an engine may spend of it is a lease, which ends. Amounts are milli-units.
struct MinuteAsk {
  int64_t limit = -1;  // -1: none
  int64_t capacity = 0;
  int64_t spent = 0;     // all that was ever spent of leases
  int64_t returned = 0;  // given back now
  int64_t debt = 0;      // spent without a lease since the last call that was answered
  int64_t want = 0;      // the balance that would last for a while
  int64_t least = 0;     // the least balance that is worth having
};

// The engine wants to spend `cost` of a month, and may spend no more of it than the store has
// recorded. All amounts are milli-units.
struct Reserve {
  MonthKey month;
  int64_t limit = 0;   // the month's quota; -1: none, the call is about the minute only
  int64_t cost = 0;    // the least that is needed
  int64_t demand = 0;  // what would last for a while
  // What this engine knows itself to have spent; -1 when it knows nothing and the store must say.
  int64_t used = -1;
  uint64_t seq = 0;      // comes back in the grant
  bool release = false;  // what is marked and not used of the month is given back
  MinuteAsk minute = {};
};

struct MinuteGrant {
  int64_t balance = 0;  // this engine's, as the store sees it after this call
  int64_t level = 0;    // not leased to anybody
  int64_t retry_us = 0;
  bool burned = false;  // the lease that the call spoke of had ended already
};

// Tokens up to `mark` may be spent by this engine; `used` of them are.
struct Grant {
  MonthKey month;
  int64_t used = 0;
  int64_t mark = 0;
  bool ok = false;   // false: the store could not be asked; nothing else here says anything
  uint64_t seq = 0;  // of the request that this answers
  bool has_month = true;
  bool has_minute = false;
  int64_t others = 0;  // of the month's limit, what other engines have spent or may spend
  MinuteGrant minute = {};
  int64_t sent_us = 0;   // monotonic, not later than the store saw the request
  int64_t pause_us = 0;  // > 0: the store lost data, and grants nothing for so long
  int holders = 1;       // engines that share this subject
};

// Called on the store's own thread.
class GrantSink {
 public:
  virtual ~GrantSink() = default;
  virtual void on_grants(const std::vector<Grant>& grants, Now now) = 0;
  // The store may have lost what it was told: it is to be told again what was spent.
  virtual void on_store_reset() {}
};

// What outlives the process. Calls never block and never fail: they are carried out in order, in
// batches, on a thread of the store. What reserve() granted is durable before the grant is given.
class Store {
 public:
  virtual ~Store() = default;

  virtual void start(GrantSink* sink) = 0;
  virtual void reserve(Reserve request) = 0;
  // Exactly `used` of this month is spent by this engine: the rest of the mark is given back.
  virtual void settle(MonthKey month, int64_t used) = 0;
  // `amount` more of this month is spent, on top of a count that the engine never saw.
  virtual void spend(MonthKey month, int64_t amount) = 0;
  // Up to so much may be spent of the month without the store being told: if this process dies, it
  // is taken for spent. `loaded` is false when it comes on top of a count that the engine never
  // saw. Good until the next grant for this month, or until it is settled.
  virtual void journal(MonthKey month, int64_t used, bool loaded) = 0;
  // The subject starts anew: nothing is used of this month, the minute bucket is as new.
  virtual void reset(MonthKey month) = 0;
  // True where minute buckets, too, are kept there, for several engines.
  virtual bool is_shared() const { return false; }
  // How many engines use the store, as far as is known.
  virtual int engines() const { return 1; }
  // False while writes fail. The engine then decides by policy.store_lost without asking.
  virtual bool healthy() const = 0;
};

// How far the mark may go: enough to cover `cost`, up to `demand`, and beyond the cost never more
// than 1/16 of what remains, which is the most that a crash can cost the subject. 0 when the month
// does not hold `cost`.
int64_t grant_size(int64_t limit, int64_t used, int64_t cost, int64_t demand);

}  // namespace quota::engine
