#include "engine/shard.h"

#include <algorithm>

namespace quota::engine {
namespace {

using policy::StoreLost;

constexpr int64_t kSecondUs = 1'000'000;

uint32_t seconds(int64_t us) { return static_cast<uint32_t>(us / kSecondUs); }

// `a + b` that stops at the largest time instead of overflowing.
int64_t later(int64_t a, int64_t b) { return b > INT64_MAX - a ? INT64_MAX : a + b; }

}  // namespace

Engine::Shard::Shard(const EngineOptions& options, size_t consumers, size_t anonymous, Store& store)
    : options_(options),
      store_(store),
      is_shared_(store.is_shared()),
      consumers_(consumers),
      anonymous_(anonymous) {}

bool Engine::Shard::decide(const Charge& charge, size_t hash, Now now, Decision& decision,
                           MakeWaiter make_waiter) {
  Record* record = table(charge.anonymous).find(charge.subject, hash);
  if (record == nullptr) record = admit(charge, hash, now);
  if (record == nullptr) {
    ++refused_;
    decision.outcome = Outcome::kDenied;
    decision.reason = Reason::kCapacity;
    decision.retry_after_us = kSecondUs;
    apply_mode(charge, decision);
    return true;
  }
  const bool without_store = record->month.overdue || !store_.healthy();
  if (attempt(*record, charge, now, without_store, decision) == Attempt::kDecided) {
    if (!without_store) prefetch(*record, charge, now);
    return true;
  }
  if (record->month.awaited == 0) request(*record, charge, charge.peek ? 0 : charge.cost, now);
  record->waited_for = true;
  waiting_[record].push_back({make_waiter(), now.mono_us});
  return false;
}

Engine::Shard::Attempt Engine::Shard::attempt(Record& record, const Charge& charge, Now now,
                                              bool without_store, Decision& decision) {
  record.seen_s = seconds(now.mono_us);
  const Period* period = nullptr;
  if (charge.limits.month >= 0) {
    period = &periods_.at(now.unix_us, charge.billing_day);
    if (record.month.period != period->start_day) enter_period(record, period->start_day);
  }
  if (is_shared_) return attempt_leased(record, charge, period, now, without_store, decision);
  // A copy, which replaces the original only when something is taken: neither a denial nor a peek
  // under other limits than usual leaves a trace.
  Bucket bucket = record.bucket;
  if (charge.limits.minute >= 0) {
    bucket.advance(now.mono_us, charge.limits.minute, charge.burst_milli);
  }
  bool beyond_mark = false;
  if (period != nullptr) {
    const int64_t spend = charge.peek ? 0 : charge.cost;
    beyond_mark = !record.month.loaded || record.month.used + spend > record.month.mark;
    if (!record.month.loaded && !without_store) return Attempt::kNeedsStore;
    if (record.month.loaded && spend == 0) beyond_mark = false;
  }
  decision = Decision{};
  if (!refuse(bucket, record.month, charge, period, now, decision)) {
    if (beyond_mark) {
      if (!without_store) return Attempt::kNeedsStore;
      decision.degraded = true;
      if (charge.store_lost == StoreLost::kDeny) {
        deny(decision, Reason::kStoreUnavailable, kSecondUs);
      }
    }
    if (decision.outcome == Outcome::kAllowed && !charge.peek) {
      if (charge.limits.minute >= 0) {
        bucket.take(charge.cost);
        record.bucket = bucket;
      }
      if (period != nullptr) record.month.used += charge.cost;
    }
  }
  apply_mode(charge, decision);
  describe(bucket, record.month, charge, period, now, decision);
  return Attempt::kDecided;
}

int64_t Engine::Shard::capacity(const Charge& charge) {
  return charge.limits.minute * charge.burst_milli / 1000;
}

bool Engine::Shard::exceeds_limits(const Charge& charge) {
  return (charge.limits.minute >= 0 && charge.cost > capacity(charge)) ||
         (charge.limits.month >= 0 && charge.cost > charge.limits.month);
}

void Engine::Shard::deny(Decision& decision, Reason reason, int64_t retry_after_us) {
  decision.outcome = Outcome::kDenied;
  decision.reason = reason;
  decision.retry_after_us = retry_after_us;
}

// In shadow mode a denial is only said, not meant.
void Engine::Shard::apply_mode(const Charge& charge, Decision& decision) {
  if (decision.outcome != Outcome::kDenied || charge.mode != policy::Mode::kShadow) return;
  decision.outcome = Outcome::kAllowed;
  decision.shadow = true;
  decision.retry_after_us = 0;
}

bool Engine::Shard::refuse(const Bucket& bucket, const Month& month, const Charge& charge,
                           const Period* period, Now now, Decision& decision) {
  if (exceeds_limits(charge)) {
    deny(decision, Reason::kCostExceedsLimit, Bucket::kMinuteUs);
    return true;
  }
  // The month is named first: its wait is the longer one.
  if (period != nullptr && charge.cost > charge.limits.month - month.used) {
    deny(decision, Reason::kMonth, period->end_us - now.unix_us);
    return true;
  }
  if (charge.limits.minute >= 0 && charge.cost > bucket.level()) {
    deny(decision, Reason::kMinute, bucket.wait_us(charge.cost));
    return true;
  }
  return false;
}

void Engine::Shard::describe(const Bucket& bucket, const Month& month, const Charge& charge,
                             const Period* period, Now now, Decision& decision) {
  if (const int64_t limit = charge.limits.minute; limit >= 0) {
    decision.minute.limit = limit;
    decision.minute.remaining = std::clamp<int64_t>(bucket.level(), 0, limit);
    decision.minute.reset_unix_us = later(now.unix_us, bucket.wait_us(limit));
    decision.minute.window_s = 60;
  }
  if (period != nullptr) {
    const int64_t limit = charge.limits.month;
    decision.month.limit = limit;
    decision.month.remaining = std::clamp<int64_t>(limit - month.others - month.used, 0, limit);
    decision.month.reset_unix_us = period->end_us;
    decision.month.window_s = period->length_s();
  }
}

void Engine::Shard::enter_period(Record& record, int32_t period) {
  give_back(record);
  if (record.lease != nullptr) {
    record.lease->owes = false;
    record.lease->journalled = 0;
  }
  record.month = Month{};
  record.month.period = period;
}

// Asks for more before it is needed, so that a busy subject never waits.
void Engine::Shard::prefetch(Record& record, const Charge& charge, Now now) {
  if (is_shared_) return prefetch_lease(record, charge, now);
  const Month& month = record.month;
  if (charge.limits.month < 0 || month.awaited != 0 || !month.loaded) return;
  const int64_t worth = std::min(month.chunk, (charge.limits.month - month.used) / 16);
  if (worth < 2 * charge.cost || month.mark - month.used >= worth / 2) return;
  request(record, charge, 0, now);
}

void Engine::Shard::request(Record& record, const Charge& charge, int64_t cost, Now now) {
  if (is_shared_) return request_lease(record, charge, std::min(cost, charge.cost), cost, now);
  Month& month = record.month;
  const uint32_t at = seconds(now.mono_us);
  const int64_t least = 4 * charge.cost;
  // What lasted less than two seconds was too little, what lasted more than ten too much.
  if (month.chunk == 0) {
    month.chunk = least;
  } else if (at - month.chunk_at_s < 2) {
    month.chunk = std::min(month.chunk * 2, charge.limits.month);
  } else if (at - month.chunk_at_s > 10) {
    month.chunk = std::max(month.chunk / 2, least);
  }
  month.chunk_at_s = at;
  month.awaited = next_seq_++;
  store_.reserve({.month = {record.key, month.period},
                  .limit = charge.limits.month,
                  .cost = cost,
                  .demand = month.chunk,
                  .used = month.loaded ? month.used : -1,
                  .seq = month.awaited});
}

void Engine::Shard::on_grant(const Grant& grant, size_t hash, Now now,
                             std::vector<Settled>& settled) {
  Record* record = consumers_.find(grant.month.subject, hash);
  if (record == nullptr) record = anonymous_.find(grant.month.subject, hash);
  // Answers to what is no longer asked: the subject was reset, or its month has ended.
  if (record == nullptr || record->month.awaited != grant.seq) return;
  Month& month = record->month;
  month.awaited = 0;
  month.overdue = false;
  if (is_shared_) {
    take_in(*record, grant, now);
  } else if (grant.ok) {
    if (!month.loaded) month.used += grant.used;
    month.loaded = true;
    month.mark = grant.mark;
  }
  retry_waiters(*record, now, !grant.ok || grant.pause_us > 0, settled);
}

// Decides for those who wait, first come first served, up to the first who needs more than there
// is.
void Engine::Shard::retry_waiters(Record& record, Now now, bool without_store,
                                  std::vector<Settled>& settled) {
  const auto it = waiting_.find(&record);
  if (it == waiting_.end()) return;
  std::vector<Waiting>& queue = it->second;
  size_t done = 0;
  for (; done < queue.size(); ++done) {
    Decision decision;
    const Charge& charge = queue[done].waiter->charge();
    if (attempt(record, charge, now, without_store, decision) == Attempt::kNeedsStore) break;
    settled.push_back({std::move(queue[done].waiter), decision});
  }
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(done));
  if (queue.empty()) {
    record.waited_for = false;
    waiting_.erase(it);
  } else if (record.month.awaited == 0) {
    // All of it will be spent at once, so it may be more than a sixteenth of what remains.
    const Charge& first = queue.front().waiter->charge();
    int64_t cost = 0;
    for (const Waiting& waiting : queue) {
      const Charge& charge = waiting.waiter->charge();
      if (!charge.peek) cost += charge.cost;
    }
    if (!is_shared_) {
      const Month& month = record.month;
      cost = month.loaded ? std::min(cost, first.limits.month - month.used) : first.cost;
    }
    request(record, first, cost, now);
  }
}

void Engine::Shard::expire_waiters(Now now, std::vector<Settled>& settled) {
  const int64_t oldest = now.mono_us - options_.store_timeout_us;
  std::vector<Record*> late;
  for (const auto& [record, queue] : waiting_) {
    if (queue.front().since_us <= oldest) late.push_back(record);
  }
  for (Record* record : late) {
    record->month.overdue = record->month.awaited != 0;
    retry_waiters(*record, now, true, settled);
  }
}

Record* Engine::Shard::admit(const Charge& charge, size_t hash, Now now) {
  SubjectTable& subjects = table(charge.anonymous);
  if (subjects.full() && !make_room(subjects, now)) return nullptr;
  return &subjects.insert(charge.subject, hash);
}

// Forgets the longest unseen of a handful of subjects that lose nothing by it.
bool Engine::Shard::make_room(SubjectTable& subjects, Now now) {
  constexpr size_t kLook = 16;
  constexpr size_t kLookHard = 256;
  Record* oldest = nullptr;
  const auto look = [&](Record& record) {
    if ((oldest == nullptr || record.seen_s < oldest->seen_s) && may_leave(record, now)) {
      oldest = &record;
    }
    return true;
  };
  subjects.walk(kLook, look);
  if (oldest == nullptr) {
    subjects.walk(kLookHard, [&](Record& record) {
      look(record);
      return oldest == nullptr;
    });
  }
  if (oldest == nullptr) return false;
  give_back(*oldest);
  subjects.erase(*oldest);
  ++evicted_;
  return true;
}

// Whoever may be forgotten would have no more as a newcomer than now.
bool Engine::Shard::may_leave(const Record& record, Now now) const {
  if (record.waited_for || record.month.awaited != 0) return false;
  // The bucket of a shared store is kept there.
  if (record.lease != nullptr) return !record.lease->due && !record.lease->is_watched;
  return record.bucket.is_as_new(now.mono_us);
}

// Leaves the month in the store as it really is.
void Engine::Shard::give_back(Record& record) {
  const Month& month = record.month;
  if (record.lease != nullptr) spent_before_ = std::max(spent_before_, record.lease->spent);
  if (const Lease* lease = record.lease.get();
      lease != nullptr && (lease->balance > 0 || lease->debt > 0)) {
    store_.reserve({.month = {record.key, 0},
                    .limit = -1,
                    .seq = next_seq_++,
                    .minute = {.limit = kUnchanged,
                               .spent = lease->spent,
                               .returned = lease->balance,
                               .debt = lease->debt}});
    owed_ -= record.lease->debt;
    record.lease->balance = record.lease->debt = 0;
  }
  if (month.loaded) {
    // A call under way may bring more.
    if (month.mark != month.used || month.awaited != 0) {
      store_.settle({record.key, month.period}, month.used);
    }
  } else if (month.used > 0) {
    store_.spend({record.key, month.period}, month.used);
  }
}

void Engine::Shard::forget_idle(Now now) {
  constexpr size_t kStep = 512;
  const uint32_t keep_s = seconds(options_.idle_retention_us);
  const uint32_t now_s = seconds(now.mono_us);
  for (SubjectTable* subjects : {&consumers_, &anonymous_}) {
    subjects->walk(kStep, [&](Record& record) {
      if (now_s - record.seen_s >= keep_s && may_leave(record, now)) {
        give_back(record);
        subjects->erase(record);
        ++evicted_;
      }
      return true;
    });
  }
}

void Engine::Shard::reset(std::string_view subject, size_t hash, bool anonymous, int billing_day,
                          Now now, std::vector<Settled>& settled) {
  const int32_t period = periods_.at(now.unix_us, billing_day).start_day;
  store_.reset({std::string(subject), period});
  Record* record = table(anonymous).find(subject, hash);
  if (record == nullptr) return;
  record->bucket.refill_fully(now.mono_us);
  if (record->month.period != period) enter_period(*record, period);
  if (record->lease != nullptr) {
    // What was spent stays spent here; the store has forgotten it.
    record->month.others = -record->month.used;
    record->lease->deny_until_us = record->lease->month_deny_until_us = INT64_MIN;
  } else {
    record->month = Month{.period = period, .loaded = true};
  }
  retry_waiters(*record, now, false, settled);
}

void Engine::Shard::close(Now now, std::vector<SavedBucket>& saved) {
  for (SubjectTable* subjects : {&consumers_, &anonymous_}) {
    subjects->for_each([&](Record& record) {
      give_back(record);
      const Bucket& bucket = record.bucket;
      if (bucket.limit() < 0 || is_shared_) return;
      saved.push_back({record.key, subjects == &anonymous_, bucket.limit(), bucket.level(),
                       now.unix_us - (now.mono_us - bucket.at_us())});
    });
  }
}

void Engine::Shard::restore(const SavedBucket& bucket, size_t hash, Now now) {
  SubjectTable& subjects = table(bucket.anonymous);
  // More than fit may have been saved under a larger bound.
  if (subjects.full() || subjects.find(bucket.subject, hash) != nullptr) return;
  Record& record = subjects.insert(bucket.subject, hash);
  record.bucket.restore(bucket.limit, bucket.level, now.mono_us, now.unix_us - bucket.unix_us);
  record.seen_s = seconds(now.mono_us);
}

void Engine::Shard::add_to(EngineStats& stats) const {
  stats.consumers += static_cast<int64_t>(consumers_.size());
  stats.anonymous += static_cast<int64_t>(anonymous_.size());
  stats.evicted += evicted_;
  stats.refused_for_capacity += refused_;
  stats.owed += owed_;
  for (const DueLease& due : due_) stats.leased += due.record->lease->balance;
}

}  // namespace quota::engine
