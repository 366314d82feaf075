// What World holds every call, every admission and every quotad to.
#include <fmt/format.h>

#include <algorithm>

#include "store/lease_world.h"

namespace quota::store {
namespace {

constexpr int64_t kMinute = 60 * kSecond;

// What `us` bring at `limit` a minute, in whole milli-tokens. __int128: a limit may be 10^15.
int64_t brought(int64_t us, int64_t limit) {
  __extension__ typedef __int128 Exact;
  return static_cast<int64_t>(std::min<Exact>(Exact{us} * limit / kMinute, INT64_MAX / 4));
}

}  // namespace

using engine::Charge;
using engine::Grant;
using engine::Reserve;

// No token comes from nowhere, none is lost: tokens in the bucket and leased out, before and after.
void World::check_call(const Quotad::Call& call, const Grant& grant, const MinuteState& before,
                       const MonthState& month_before) {
  const Reserve& request = call.request;
  const int64_t void_before = std::max(call.void_before_us, void_before_us_);
  const std::string where = fmt::format(" (call {} of {} at {})", request.seq, call.holder, us);
  if (request.limit != -1) {
    const Month key{request.month.subject, request.month.period};
    const MonthState& after = months_[key];
    if (after.level + after.out() + after.spent() != after.limit + forgiven_[key]) {
      violate("the month does not add up" + where);
    }
    const auto find = [&](const MonthState& state) {
      const auto it = state.holders.find(call.holder);
      return it == state.holders.end() ? Holding{} : it->second;
    };
    const Holding mine = find(after);
    if (mine.balance >
        std::max({request.cost, find(month_before).balance, (after.level + mine.balance) / 16})) {
      violate("a crash would cost more of the month than a sixteenth" + where);
    }
    if (mine.balance > find(month_before).balance && after.level < 0) {
      violate("the month was granted beyond its end" + where);
    }
    if (mine.spent < request.used) violate("what was spent of the month is forgotten" + where);
  }
  if (request.minute.limit == -1) return;
  const MinuteState& after = minutes_[request.month.subject];
  if (!after.exists) return;
  if (after.level + after.out() > after.capacity) violate("(a): level + leases > capacity" + where);
  if (after.ts < before.ts) violate("the bucket's time ran backwards" + where);
  if (grant.pause_us > 0 && grant.minute.balance > 0 && before.ts < void_before) {
    violate("granted during the pause" + where);
  }
  if (!before.exists || before.limit != after.limit || before.capacity != after.capacity) return;
  if (before.ts < void_before) {
    const int64_t most = brought(after.ts - void_before, after.limit);
    if (after.level + after.out() > most) violate("a void bucket held something" + where);
    return;
  }
  const auto mine = before.holders.find(call.holder);
  if (mine != before.holders.end() && mine->second.seq == request.seq) return;
  const int64_t now_us = std::max(before.ts, redis_us());
  int64_t gone = 0, expected_spent = 0;
  bool is_burned = false;
  for (const auto& [name, holding] : before.holders) {
    if (holding.expiry > now_us) continue;
    is_burned = true;
    gone += holding.balance;
  }
  if (mine != before.holders.end() && mine->second.expiry > now_us) {
    expected_spent =
        std::clamp<int64_t>(request.minute.spent - mine->second.spent, 0, mine->second.balance);
  }
  const int64_t had = before.level + before.out();
  const int64_t has = after.level + after.out();
  const int64_t brings = brought(now_us - before.ts, before.limit);
  // What is burned only makes room, so no less than without it.
  const int64_t room = std::max<int64_t>(0, before.capacity - had + (is_burned ? gone : 0));
  const int64_t most = had + std::min(brings + 1, room) - gone - expected_spent;
  const int64_t least = had + std::min(brings, std::max<int64_t>(0, before.capacity - had)) - gone -
                        expected_spent - request.minute.debt;
  if (has > most) violate(fmt::format("{} tokens came from nowhere{}", has - most, where));
  if (has < least) violate(fmt::format("{} tokens were lost{}", least - has, where));
}

// (b): the ideal bucket would have allowed this, too.
void World::admit(const Charge& charge) {
  allowed_milli_ += charge.cost;
  const std::string subject(charge.subject);
  if (charge.limits.minute >= 0) {
    IdealBucket& ideal = ideals_[subject];
    if (!ideal.exists()) return violate("allowed before Redis was asked");
    ideal.take(us, charge.cost);
    // A lowered limit may leave it below zero; nobody may take it further down.
    if (!ideal.holds(std::min<int64_t>(0, minutes_[subject].level))) {
      violate(fmt::format("(b): more was allowed than the bucket ever held, at {}", us));
    }
  }
  if (charge.limits.month < 0) return;
  const Month key{subject, engine::period_at(us, charge.billing_day).start_day};
  int64_t& allowed = month_allowed_[key];
  allowed += charge.cost;
  if (!months_lost_ && allowed > month_quota_[key] + forgiven_[key]) {
    violate(fmt::format("(b): the month was exceeded, at {}", us));
  }
}

bool World::serves(const std::unique_ptr<Quotad>& quotad) const {
  return quotad != nullptr && quotad->engine_ != nullptr && !quotad->is_closed_;
}

void World::check() {
  for (auto& quotad : quotads_) {
    if (serves(quotad)) check_quotad(*quotad);
  }
  for (const auto& [subject, state] : minutes_) {
    if (!state.exists || state.ts < untrusted_until_us_) continue;
    int64_t spendable = state.level;
    for (auto& quotad : quotads_) {
      if (!serves(quotad)) continue;
      const auto view = quotad->engine().lease_of(subject, quotad->now());
      if (view) spendable += view->usable;
    }
    if (!ideals_[subject].holds(std::max(spendable, std::min<int64_t>(state.level, 0)))) {
      violate(fmt::format("(b): more can be spent than the bucket holds, at {}", us));
    }
  }
}

// (c): it holds no more than Redis thinks.
void World::check_quotad(const Quotad& quotad) {
  for (const auto& [subject, state] : minutes_) {
    const auto view = quotad.engine().lease_of(subject, quotad.now());
    if (!view || view->usable <= 0 || redis_us() < untrusted_until_us_) continue;
    const auto it = state.holders.find(quotad.holder());
    if (it == state.holders.end()) {
      violate(fmt::format("(c): {} spends a lease that is not there, at {}", quotad.holder(), us));
    } else if (it->second.expiry <= std::max(state.ts, redis_us())) {
      violate(fmt::format("(c): {} spends a lease that has ended, at {}", quotad.holder(), us));
    } else if (view->usable > it->second.balance) {
      violate(fmt::format("(c): {} holds more than Redis gave, at {}", quotad.holder(), us));
    }
  }
  if (months_lost_) return;
  for (const auto& [key, state] : months_) {
    const auto view = quotad.engine().lease_of(key.first, quotad.now());
    if (!view || !view->month_loaded || view->period != key.second) continue;
    const auto it = state.holders.find(quotad.holder());
    const int64_t balance = it == state.holders.end() ? 0 : it->second.balance;
    if (view->month_mark - view->month_used > balance) {
      violate(fmt::format("(c): {} holds more of the month than Redis gave, at {}", quotad.holder(),
                          us));
    }
  }
}

}  // namespace quota::store
