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

// The engine wants to spend `cost` of a month, and may spend no more of it than the store has
// recorded. All amounts are milli-units.
struct Reserve {
  MonthKey month;
  int64_t limit = 0;   // the month's quota
  int64_t cost = 0;    // the least that is needed
  int64_t demand = 0;  // what would last for a while
  // What the engine knows to be spent; -1 when it knows nothing and the store must say.
  int64_t used = -1;
  uint64_t seq = 0;  // comes back in the grant
};

// Tokens up to `mark` may be spent; `used` of them are.
struct Grant {
  MonthKey month;
  int64_t used = 0;
  int64_t mark = 0;
  bool ok = false;   // false: the store could not be asked; used and mark say nothing
  uint64_t seq = 0;  // of the request that this answers
};

// Called on the store's own thread.
class GrantSink {
 public:
  virtual ~GrantSink() = default;
  virtual void on_grants(const std::vector<Grant>& grants, Now now) = 0;
};

// What outlives the process. Calls never block and never fail: they are carried out in order, in
// batches, on a thread of the store. What reserve() granted is durable before the grant is given.
class Store {
 public:
  virtual ~Store() = default;

  virtual void start(GrantSink* sink) = 0;
  virtual void reserve(Reserve request) = 0;
  // Exactly `used` of this month is spent: the rest of the mark is given back.
  virtual void settle(MonthKey month, int64_t used) = 0;
  // `amount` more of this month is spent, on top of a count that the engine never saw.
  virtual void spend(MonthKey month, int64_t amount) = 0;
  // False while writes fail. The engine then decides by policy.store_lost without asking.
  virtual bool healthy() const = 0;
};

// How far the mark may go: enough to cover `cost`, up to `demand`, and beyond the cost never more
// than 1/16 of what remains, which is the most that a crash can cost the subject. 0 when the month
// does not hold `cost`.
int64_t grant_size(int64_t limit, int64_t used, int64_t cost, int64_t demand);

}  // namespace quota::engine
