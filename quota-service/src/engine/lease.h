#pragma once

#include <cstdint>
#include <utility>

#include "engine/bucket.h"
#include "engine/store.h"

namespace quota::engine {

// What one engine may spend of a minute bucket that it shares with others: tokens that the store
// has already taken out of the bucket. Times are monotonic microseconds.
struct Lease {
  int64_t balance = 0;
  int64_t deadline_us =
      INT64_MIN;      // of the balance: earlier than the store's own, whatever the clocks
  int64_t spent = 0;  // ever
  int64_t debt = 0;   // spent without a lease

  // The call under way.
  int64_t sent_spent = 0;
  int64_t sent_debt = 0;
  int64_t sent_want = 0;
  int64_t sent_least = 0;
  int64_t sent_used = -1;  // of the month

  // How much to ask for, and when.
  int64_t chunk = 0;
  int64_t asked_us = INT64_MIN / 2;
  int64_t deny_until_us = INT64_MIN;        // the bucket cannot serve before
  int64_t month_deny_until_us = INT64_MIN;  // nor the month
  int64_t ask_again_us = INT64_MIN;         // the store cannot answer for this subject before
  int64_t credit = 0;                 // what was used of the month when it last spent on credit
  int64_t journalled = 0;             // up to here, credit survives this process
  int64_t viewed_us = INT64_MIN / 2;  // when the store last said how full the bucket is

  Bucket share;             // this engine's part of the limit while the store is lost
  uint32_t resets = 0;      // of the store, that this subject has been told again after
  bool due = false;         // the caretaker will look at it
  bool owes = false;        // a month was spent on credit, and the store was not told yet
  bool is_watched = false;  // by the caretaker, because it owes or has owed
  bool is_unsure = false;   // the last call failed: the store may hold some of the month for us
  bool was_full = true;     // the last grant was all that was wanted
  bool month_was_full = true;

  int64_t usable(int64_t now_us) const { return now_us < deadline_us ? balance : 0; }

  void take(int64_t cost) {
    balance -= cost;
    spent += cost;
  }

  // Fills in what a call says. The balance that is given back is zeroed before the store hears of
  // it.
  void send(MinuteAsk& ask, int64_t returned) {
    balance -= returned;
    ask.spent = sent_spent = spent;
    ask.debt = sent_debt = debt;
    ask.returned = returned;
    sent_want = ask.want;
    sent_least = ask.least;
  }

  // Takes in the answer to that call.
  void receive(const MinuteGrant& grant, int64_t sent_us, int64_t ttl_us) {
    // What was spent of a lease that had ended by then has left the bucket already.
    if (grant.burned) spent = sent_spent;
    // The store does not know yet of what was spent since.
    balance = grant.balance - (spent - sent_spent);
    if (balance < 0) balance = 0;
    // From the time before the request left, and less by what the two clocks may drift apart.
    deadline_us = sent_us + ttl_us - ttl_us / 50;
  }

  // The store knows of the debt that it was told of. Returns how much that was.
  int64_t settle_debt() {
    debt -= sent_debt;
    return std::exchange(sent_debt, 0);
  }
};

}  // namespace quota::engine
