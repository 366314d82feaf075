// How a shard decides where the store keeps the buckets for several engines: out of leases.
#include <algorithm>
#include <utility>

#include "engine/shard.h"

namespace quota::engine {
namespace {

using policy::StoreLost;

constexpr int64_t kSecondUs = 1'000'000;
// A chunk should last for about so long: what lasted less was too little, what lasted more too
// much.
constexpr int64_t kShortChunkUs = 250'000;
constexpr int64_t kLongChunkUs = kSecondUs;
// Without a pause, an overloaded bucket would be asked for each token that drips into it. The more
// share it, the longer each waits, so that all together ask as often as one would.
constexpr int64_t kPaceUs = 30'000;
constexpr int kMostPaces = 8;
// Others may give back, and limits may be raised: a denial is believed for so long.
constexpr int64_t kBelieveUs = 200'000;
constexpr int64_t kBelieveMonthUs = kSecondUs;
// After a subject's call has failed.
constexpr int64_t kAskAgainUs = 100'000;
// What was seen longer ago does for a decision, but not for a peek.
constexpr int64_t kFreshUs = kSecondUs;

}  // namespace

Engine::Shard::Attempt Engine::Shard::attempt_leased(Record& record, const Charge& charge,
                                                     const Period* period, Now now,
                                                     bool without_store, Decision& decision) {
  if (record.lease == nullptr) {
    record.lease = std::make_unique<Lease>();
    record.lease->spent = spent_before_;
  }
  Lease& lease = *record.lease;
  Month& month = record.month;
  const bool minute = charge.limits.minute >= 0;
  if (minute) record.bucket.advance(now.mono_us, charge.limits.minute, charge.burst_milli);
  const auto decided = [&] {
    apply_mode(charge, decision);
    describe(record.bucket, month, charge, period, now, decision);
    return Attempt::kDecided;
  };
  decision = Decision{};
  if (exceeds_limits(charge)) {
    deny(decision, Reason::kCostExceedsLimit, Bucket::kMinuteUs);
    return decided();
  }
  const bool month_lacks =
      period != nullptr && (!month.loaded || month.used + charge.cost > month.mark);
  const bool minute_lacks = minute && lease.usable(now.mono_us) < charge.cost;
  if (!charge.peek && !month_lacks && !minute_lacks) {
    if (minute) {
      lease.take(charge.cost);
      record.bucket.take(charge.cost);
    }
    if (period != nullptr) month.used += charge.cost;
    return decided();
  }
  // The month is named first: its wait is the longer one.
  const bool knows_month = period == nullptr || month.loaded;
  const bool month_denies = period != nullptr && month.loaded &&
                            charge.cost > charge.limits.month - month.others - month.used;
  if (month_denies && (now.mono_us < lease.month_deny_until_us || (charge.peek && without_store))) {
    deny(decision, Reason::kMonth, period->end_us - now.unix_us);
    return decided();
  }
  if (charge.peek) {
    const bool is_fresh = knows_month && (!minute || now.mono_us - lease.viewed_us < kFreshUs);
    if (!is_fresh && !without_store && now.mono_us >= lease.ask_again_us)
      return Attempt::kNeedsStore;
    decision.degraded = !is_fresh;
    if (month_denies) {
      deny(decision, Reason::kMonth, period->end_us - now.unix_us);
    } else if (minute_lacks && record.bucket.level() < charge.cost) {
      deny(decision, Reason::kMinute, record.bucket.wait_us(charge.cost));
    }
    return decided();
  }
  if (!without_store && now.mono_us >= lease.ask_again_us) {
    if (minute_lacks && now.mono_us < lease.deny_until_us) {
      deny(decision, Reason::kMinute,
           std::max(record.bucket.wait_us(charge.cost), lease.deny_until_us - now.mono_us));
      return decided();
    }
    return Attempt::kNeedsStore;
  }
  decision.degraded = true;
  if (attempt_lost(record, charge, period, now, decision)) {
    if (minute) {
      lease.debt += charge.cost;
      owed_ += charge.cost;
    }
    if (period != nullptr) {
      month.used += charge.cost;
      owe(record, charge);
    }
  }
  return decided();
}

// Without the store and without a lease that suffices. True when the check is allowed on credit.
bool Engine::Shard::attempt_lost(Record& record, const Charge& charge, const Period* period,
                                 Now now, Decision& decision) {
  if (charge.store_lost == StoreLost::kDeny) {
    deny(decision, Reason::kStoreUnavailable, kSecondUs);
    return false;
  }
  if (charge.store_lost == StoreLost::kAllow) return true;
  if (period != nullptr &&
      charge.cost > charge.limits.month - record.month.others - record.month.used) {
    deny(decision, Reason::kMonth, period->end_us - now.unix_us);
    return false;
  }
  if (charge.limits.minute < 0) return true;
  Bucket& share = record.lease->share;
  const int64_t part = std::max<int64_t>(charge.limits.minute / std::max(store_.engines(), 1), 1);
  // Room for one check at least, however many engines share the limit.
  const int64_t burst = std::max(charge.burst_milli, charge.cost * 1000 / part + 1);
  // It begins with nothing: what was there has been leased out or lies in the store. Nor does
  // another number of engines make tokens.
  if (share.limit() != part) {
    if (share.limit() >= 0) share.advance(now.mono_us, share.limit(), burst);
    share.restore(part, std::max<int64_t>(share.limit() < 0 ? 0 : share.level(), 0), now.mono_us,
                  0);
  }
  share.advance(now.mono_us, part, burst);
  if (share.level() < charge.cost) {
    deny(decision, Reason::kMinute, share.wait_us(charge.cost));
    return false;
  }
  share.take(charge.cost);
  return true;
}

// Asks for more before it is needed, so that a busy subject never waits.
void Engine::Shard::prefetch_lease(Record& record, const Charge& charge, Now now) {
  const Lease& lease = *record.lease;
  if (record.month.awaited != 0 || options_.exact || charge.peek) return;
  if (now.mono_us < lease.ask_again_us || now.mono_us < lease.deny_until_us ||
      now.mono_us < lease.month_deny_until_us) {
    return;
  }
  if (lease.chunk < 4 * charge.cost) return;
  // What was given only in part is scarce: it is asked for when it is needed.
  const bool minute =
      charge.limits.minute >= 0 && lease.was_full && lease.usable(now.mono_us) < lease.chunk / 2;
  const bool month = charge.limits.month >= 0 && record.month.loaded && lease.month_was_full &&
                     record.month.mark - record.month.used < lease.chunk / 2;
  if (minute || month) request_lease(record, charge, 0, 0, now);
}

// `cost` is needed, `all` would serve everybody who waits.
void Engine::Shard::request_lease(Record& record, const Charge& charge, int64_t cost, int64_t all,
                                  Now now) {
  Lease& lease = *record.lease;
  Month& month = record.month;
  const int64_t since_us = now.mono_us - lease.asked_us;
  if (options_.exact || lease.chunk == 0) {
    lease.chunk = charge.cost;
  } else if (since_us < kShortChunkUs) {
    // A partial grant was short because the bucket is empty, not because little was wanted.
    if (lease.was_full) lease.chunk *= 2;
  } else if (since_us > kLongChunkUs) {
    // Somebody who comes back after a long time begins anew.
    lease.chunk = since_us > 8 * kLongChunkUs ? charge.cost : lease.chunk / 2;
  }
  const int64_t most = charge.limits.minute >= 0 ? capacity(charge) : charge.limits.month;
  lease.chunk = std::clamp(lease.chunk, charge.cost, std::max(most / 2, charge.cost));
  lease.asked_us = now.mono_us;
  const bool peek = charge.peek;
  lease.sent_used = month.loaded ? month.used : -1;
  const int64_t want = peek ? 0 : std::max(options_.exact ? cost : lease.chunk, all);
  month.awaited = next_seq_++;
  lease.sent_want = want;
  lease.sent_least = cost;
  Reserve request{.month = {record.key, charge.limits.month >= 0 ? month.period : 0},
                  .limit = charge.limits.month,
                  .cost = cost,
                  .demand = want,
                  .used = month.loaded ? month.used : -1,
                  .seq = month.awaited};
  if (charge.limits.minute >= 0) {
    request.minute.limit = charge.limits.minute;
    request.minute.capacity = capacity(charge);
    request.minute.want = want;
    request.minute.least = cost;
    lease.send(request.minute, 0);
  }
  store_.reserve(std::move(request));
}

void Engine::Shard::take_in(Record& record, const Grant& grant, Now now) {
  Lease& lease = *record.lease;
  Month& month = record.month;
  const auto look = [&] {
    const bool holds = lease.balance > 0 || month.mark > month.used || lease.is_unsure;
    if (!lease.due && holds) look_later(record, now);
  };
  lease.is_unsure = !grant.ok && month.loaded;
  if (!grant.ok) {
    lease.sent_debt = 0;
    // The call may have been told what was spent, or not.
    lease.resets = 0;
    look();
    // Not all subjects at the same moment.
    lease.ask_again_us =
        now.mono_us + kAskAgainUs +
        static_cast<int64_t>(SubjectTable::hash_of(record.key) % (kAskAgainUs / 2));
    return;
  }
  if (grant.has_month && grant.month.period == month.period) {
    if (lease.sent_used >= lease.credit) lease.owes = false;
    if (!month.loaded) {
      month.used += grant.used;
      lease.credit += grant.used;
    }
    month.loaded = true;
    lease.journalled = 0;
    // What was spent on credit while the call was under way is not known there yet.
    if (lease.owes) {
      lease.journalled = month.used;
      store_.journal({record.key, month.period}, month.used, true);
    }
    month.mark = grant.mark;
    month.others = grant.others;
    // A store that lost data learns by the next call what was spent during this one.
    if (month.used > month.mark) lease.resets = 0;
    lease.month_was_full = grant.mark - grant.used >= lease.sent_want;
    if (grant.mark - grant.used < lease.sent_least) {
      lease.month_deny_until_us = now.mono_us + kBelieveMonthUs;
    }
  }
  if (grant.has_minute) owed_ -= lease.settle_debt();
  if (grant.pause_us > 0) {
    // Leases are good to their end; nothing new is to be had until the pause is over.
    lease.ask_again_us = now.mono_us + grant.pause_us;
    look();
    return;
  }
  // The next outage finds it empty again.
  lease.share = Bucket{};
  if (grant.has_minute && record.bucket.limit() >= 0) {
    lease.receive(grant.minute, grant.sent_us, options_.lease_ttl_us);
    record.bucket.restore(record.bucket.limit(), grant.minute.level + lease.balance, now.mono_us,
                          0);
    lease.viewed_us = now.mono_us;
    lease.was_full = grant.minute.balance >= lease.sent_want;
    const int64_t pace = options_.exact ? 0 : kPaceUs * std::min(grant.holders, kMostPaces);
    const int64_t drip = record.bucket.limit() / (Bucket::kMinuteUs / kPaceUs) * (pace / kPaceUs);
    if (!lease.was_full && grant.minute.level < std::max(lease.sent_least, drip)) {
      lease.deny_until_us =
          now.mono_us + std::clamp(grant.minute.retry_us, pace, std::max(pace, kBelieveUs));
    }
  }
  look();
}

void Engine::Shard::look_later(Record& record, Now now) {
  Lease& lease = *record.lease;
  lease.due = true;
  due_.push_back(
      {&record, now.mono_us + options_.lease_ttl_us / 2, lease.spent + record.month.used});
}

void Engine::Shard::tend_leases(Now now) {
  while (!due_.empty() && due_.front().at_us <= now.mono_us) {
    const DueLease due = due_.front();
    due_.pop_front();
    due.record->lease->due = false;
    tend_lease(*due.record, due, now);
  }
  std::erase_if(owing_, [&](Record* record) {
    if (record->lease->owes) pay(*record, now);
    record->lease->is_watched = record->lease->owes;
    return !record->lease->owes;
  });
}

// Tells the store, as soon as it can be told, what was spent on credit.
void Engine::Shard::pay(Record& record, Now now) {
  Lease& lease = *record.lease;
  Month& month = record.month;
  if (!store_.healthy() || month.awaited != 0 || now.mono_us < lease.ask_again_us) return;
  month.awaited = next_seq_++;
  Reserve report{.month = {record.key, month.period},
                 .limit = kUnchanged,
                 .used = month.loaded ? month.used : -1,
                 .seq = month.awaited};
  lease.sent_want = lease.sent_least = 0;
  lease.sent_used = report.used;
  if (record.bucket.limit() >= 0) {
    report.minute.limit = kUnchanged;
    lease.send(report.minute, 0);
  }
  store_.reserve(std::move(report));
}

// Halfway through a lease's life: what lies idle goes back, and what is in use is renewed.
void Engine::Shard::tend_lease(Record& record, const DueLease& due, Now now) {
  Lease& lease = *record.lease;
  Month& month = record.month;
  const int64_t usable = lease.usable(now.mono_us);
  lease.balance = usable;
  if (usable <= 0 && month.mark <= month.used && !lease.is_unsure) return;
  const int64_t half_us = options_.lease_ttl_us / 2;
  const int64_t spent = lease.spent + month.used - due.spent;
  // What was granted lately, and is in use, will be asked for again by itself.
  const bool is_fresh = spent > 0 && now.mono_us - lease.asked_us < half_us;
  if (month.awaited != 0 || is_fresh || !store_.healthy()) return look_later(record, now);
  const int64_t keep = std::min(usable, spent);
  month.awaited = next_seq_++;
  Reserve request{.month = {record.key, month.loaded ? month.period : 0},
                  .limit = month.loaded ? kUnchanged : -1,
                  .used = month.loaded ? month.used : -1,
                  .seq = month.awaited,
                  .release = spent == 0};
  if (request.release && month.loaded) month.mark = month.used;
  lease.sent_used = request.used;
  lease.sent_want = lease.sent_least = 0;
  if (record.bucket.limit() >= 0) {
    request.minute.limit = kUnchanged;
    request.minute.want = keep;
    lease.send(request.minute, usable - keep);
  }
  lease.asked_us = now.mono_us;
  lease.chunk /= 2;
  store_.reserve(std::move(request));
}

std::optional<LeaseView> Engine::Shard::lease_of(std::string_view subject, size_t hash, Now now) {
  const Record* record = consumers_.find(subject, hash);
  if (record == nullptr) record = anonymous_.find(subject, hash);
  if (record == nullptr || record->lease == nullptr) return std::nullopt;
  const Lease& lease = *record->lease;
  const Month& month = record->month;
  return LeaseView{lease.usable(now.mono_us),
                   lease.spent,
                   lease.debt,
                   month.period,
                   month.loaded,
                   month.used,
                   month.mark};
}

// A month that was spent on credit must survive this process: what may be spent next is written
// down ahead, and nobody has to wait for that.
void Engine::Shard::owe(Record& record, const Charge& charge) {
  Lease& lease = *record.lease;
  const Month& month = record.month;
  lease.owes = true;
  lease.credit = month.used;
  if (!std::exchange(lease.is_watched, true)) owing_.push_back(&record);
  if (month.used <= lease.journalled) return;
  // A crash costs at most a sixteenth of what remains.
  const int64_t remaining = std::max<int64_t>(charge.limits.month - month.others - month.used, 0);
  lease.journalled = month.used + std::min(std::max(lease.chunk, 16 * charge.cost), remaining / 16);
  store_.journal({record.key, month.period}, lease.journalled, month.loaded);
}

void Engine::Shard::register_again(uint32_t resets, Now now) {
  constexpr size_t kStep = 256;
  if (!store_.healthy()) return;
  for (SubjectTable* subjects : {&consumers_, &anonymous_}) {
    subjects->walk(kStep, [&](Record& record) {
      if (record.lease == nullptr || record.lease->resets == resets) return true;
      Lease& lease = *record.lease;
      if (record.month.awaited != 0 || now.mono_us < lease.ask_again_us) return true;
      lease.resets = resets;
      const Month& month = record.month;
      if (!month.loaded || month.used == 0) return true;
      record.month.awaited = next_seq_++;
      lease.sent_want = lease.sent_least = 0;
      lease.sent_used = month.used;
      store_.reserve({.month = {record.key, month.period},
                      .limit = kUnchanged,
                      .used = month.used,
                      .seq = record.month.awaited});
      return true;
    });
  }
}

}  // namespace quota::engine
