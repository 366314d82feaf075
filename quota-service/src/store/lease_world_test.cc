#include "store/lease_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace quota::store {

using engine::Charge;
using engine::Decision;
using engine::EngineOptions;
using engine::Grant;
using engine::LeaseView;
using engine::MonthKey;
using engine::Outcome;
using engine::Reserve;

// A check that waits, and tells its quotad what became of it.
class Quotad::Caller final : public engine::Waiter {
 public:
  Caller(Quotad& quotad, const Charge& charge)
      : quotad_(quotad), subject_(charge.subject), charge_(charge) {
    charge_.subject = subject_;
  }
  const Charge& charge() const override { return charge_; }
  void decided(const Decision& decision) override { quotad_.decided(charge_, decision); }

 private:
  Quotad& quotad_;
  std::string subject_;
  Charge charge_;
};

Quotad::Quotad(World& world, std::string holder, EngineOptions options, int64_t drift_ppm)
    : world_(world),
      terms_{.holder = std::move(holder),
             .ttl_us = options.lease_ttl_us,
             .retention_ms = options.idle_retention_us / 1000,
             .marker = World::kMarker},
      drift_ppm_(drift_ppm),
      offset_us_(1'000 * kSecond + world.lives_ * 777 * kSecond) {
  connect();
  engine_ = std::make_unique<engine::Engine>(options, *this);
}

Now Quotad::now() const {
  const int64_t elapsed = world_.us - World::kStartUs;
  return {.mono_us = offset_us_ + elapsed + elapsed * drift_ppm_ / 1'000'000, .unix_us = world_.us};
}

int Quotad::engines() const { return static_cast<int>(world_.size()); }

void Quotad::connect() {
  world_.redis.set_clock(world_.redis_us());
  const std::string run = "process" + std::to_string(world_.processes_);
  const auto marker =
      world_.redis.mark(World::kMarker, terms_.holder, run, birth_,
                        "birth of " + terms_.holder + "@" + std::to_string(world_.us));
  birth_ = marker.born;
  const int64_t void_before = marker.reset_us > 0 ? marker.reset_us + terms_.ttl_us : 0;
  world_.void_before_us_ = void_before;
  world_.untrusted_until_us_ = std::max(world_.untrusted_until_us_, void_before);
  const bool is_news = void_before > void_before_us_;
  void_before_us_ = void_before;
  if (is_news && engine_) engine_->on_store_reset();
}

bool Quotad::ask(const Charge& charge) {
  const auto before = engine_->lease_of(charge.subject, now());
  Decision decision;
  if (!engine_->decide(charge, now(), decision,
                       [&] { return std::make_unique<Caller>(*this, charge); })) {
    return false;
  }
  if (decision.outcome != Outcome::kAllowed) {
    const auto after = engine_->lease_of(charge.subject, now());
    // A lease goes back when a month begins.
    if (before && after && before->period == after->period && before != after) {
      world_.violate("a denial was debited in " + holder());
    }
  }
  decided(charge, decision);
  return decision.outcome == Outcome::kAllowed;
}

void Quotad::decided(const Charge& charge, const Decision& decision) {
  if (decision.outcome != Outcome::kAllowed) {
    ++counts.denied;
    return;
  }
  ++counts.allowed;
  if (charge.peek) return;
  counts.allowed_milli += charge.cost;
  world_.admit(charge);
}

void Quotad::reserve(Reserve request) {
  last_seq_ = std::max(last_seq_, request.seq);
  // Odd numbers are for what the engine does not number.
  request.seq *= 2;
  calls_.push_back({.request = std::move(request), .holder = terms_.holder});
}

void Quotad::settle(MonthKey month, int64_t used) {
  calls_.push_back({.request = {.month = std::move(month),
                                .limit = engine::kUnchanged,
                                .used = used,
                                .seq = 2 * last_seq_ + 1,
                                .release = true},
                    .holder = terms_.holder,
                    .is_awaited = false});
}

void Quotad::spend(MonthKey month, int64_t amount) {
  calls_.push_back({.request = {.month = std::move(month),
                                .limit = engine::kUnchanged,
                                .used = amount,
                                .seq = 1},
                    .holder = fmt::format("{}+{}", terms_.holder, 2 * last_seq_ + 1),
                    .is_awaited = false});
}

void Quotad::reset(MonthKey month) {
  calls_.push_back({.request = {.month = std::move(month)},
                    .holder = terms_.holder,
                    .is_awaited = false,
                    .is_reset = true});
}

void Quotad::send() {
  for (Call& call : calls_) {
    if (call.sent_us != INT64_MIN) continue;
    call.sent_us = now().mono_us;
    call.void_before_us = void_before_us_;
  }
}

Quotad::Call Quotad::take_call(size_t i) {
  send();
  Call call = std::move(calls_.at(i));
  calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(i));
  return call;
}

void Quotad::answer(const Call& call, Grant grant) {
  if (!call.is_awaited) return;
  grant.month = call.request.month;
  grant.seq = call.request.seq / 2;
  answers_.push_back(std::move(grant));
}

void Quotad::execute(size_t i) {
  const Call call = take_call(i);
  ++counts.calls;
  bool no_marker = false;
  answer(call, world_.execute(call, terms_, no_marker));
  if (no_marker) connect();
}

void Quotad::execute_twice(size_t i) {
  const Call call = take_call(i);
  bool no_marker = false;
  const Grant first = world_.execute(call, terms_, no_marker);
  if (first.ok && !call.is_reset) {
    const auto minute = world_.redis.hash(minute_key(call.request.month.subject));
    const auto month = world_.redis.hash(month_key(call.request.month));
    const Grant second = world_.execute(call, terms_, no_marker);
    if (minute != world_.redis.hash(minute_key(call.request.month.subject)) ||
        month != world_.redis.hash(month_key(call.request.month))) {
      world_.violate("a repeated call changed something");
    }
    if (!second.ok || first.minute.balance != second.minute.balance ||
        first.minute.level != second.minute.level || first.used != second.used ||
        first.mark != second.mark || first.others != second.others ||
        first.holders != second.holders) {
      world_.violate("a repeated call was answered otherwise");
    }
  }
  answer(call, first);
  if (no_marker) connect();
}

void Quotad::drop(size_t i) {
  Call call = take_call(i);
  answer(call, {});
  world_.lost_.emplace_back(std::move(call), terms_);
}

void Quotad::execute_unheard(size_t i) {
  const Call call = take_call(i);
  bool no_marker = false;
  world_.execute(call, terms_, no_marker);
  answer(call, {});
}

void Quotad::deliver(size_t i) {
  const Grant grant = answers_.at(i);
  answers_.erase(answers_.begin() + static_cast<std::ptrdiff_t>(i));
  engine_->on_grants({grant}, now());
}

void Quotad::deliver_all() {
  const std::vector<Grant> grants(answers_.begin(), answers_.end());
  answers_.clear();
  engine_->on_grants(grants, now());
}

void Quotad::serve() {
  for (int round = 0; !calls_.empty() || !answers_.empty(); ++round) {
    if (round == 1000) return world_.violate("calls and answers never end");
    while (!calls_.empty()) execute(0);
    deliver_all();
  }
}

World::World(size_t quotads, EngineOptions options) : options_(options) {
  redis.wipe();
  for (size_t i = 0; i < quotads; ++i) {
    quotads_.push_back(nullptr);
    crash(i);
  }
}

void World::crash(size_t i, int64_t drift_ppm) {
  if (quotads_[i] != nullptr) {
    for (auto& call : quotads_[i]->calls_) lost_.emplace_back(call, quotads_[i]->terms_);
  }
  quotads_[i].reset();
  quotads_[i] =
      std::make_unique<Quotad>(*this, "q" + std::to_string(++lives_), options_, drift_ppm);
}

void World::empty_redis() {
  redis.wipe();
  minutes_.clear();
  months_.clear();
  forgiven_.clear();
  months_lost_ = true;
  untrusted_until_us_ = redis_us() + options_.lease_ttl_us;
}

void World::snapshot() {
  saved_ = {minutes_, months_, forgiven_};
  const auto copy = [&](const std::string& key) {
    redis.run({"COPY", key, "old:" + key, "REPLACE"});
  };
  for (const auto& [subject, state] : minutes_) copy(minute_key(subject));
  for (const auto& [month, state] : months_) copy(month_key({month.first, month.second}));
}

void World::roll_back() {
  const auto copy = [&](const std::string& key) {
    redis.run({"DEL", key});
    redis.run({"COPY", "old:" + key, key});
  };
  for (const auto& [subject, state] : minutes_) copy(minute_key(subject));
  for (const auto& [month, state] : months_) copy(month_key({month.first, month.second}));
  minutes_ = saved_.minutes;
  months_ = saved_.months;
  forgiven_ = saved_.forgiven;
  months_lost_ = true;
  untrusted_until_us_ = redis_us() + options_.lease_ttl_us;
  ++processes_;
  for (auto& quotad : quotads_) {
    while (quotad->calls() > 0) quotad->drop(0);
    quotad->connect();
  }
  // What was under way to the old process will not reach the new one.
  lost_.clear();
}

void World::execute_lost(size_t i) {
  const auto [call, terms] = lost_.at(i);
  lost_.erase(lost_.begin() + static_cast<std::ptrdiff_t>(i));
  bool no_marker = false;
  execute(call, terms, no_marker);
}

Grant World::execute(const Quotad::Call& call, const LeaseTerms& terms, bool& no_marker) {
  const Reserve& request = call.request;
  const std::string& subject = request.month.subject;
  const Month key{subject, request.month.period};
  redis.set_clock(redis_us());
  ++executed_;
  if (call.is_reset) {
    redis.reset(request.month);
    forgiven_[key] = redis.month(request.month).spent();
    if (ideals_[subject].exists()) ideals_[subject].reset(us);
    if (minutes_.contains(subject)) minutes_[subject] = redis.minute(subject);
    if (months_.contains(key)) months_[key] = redis.month(request.month);
    check();
    return {};
  }
  const MinuteState before = minutes_[subject];
  const MonthState month_before = months_[key];
  auto grant = redis.lease(request, terms, call.holder, call.void_before_us, call.sent_us);
  if (!grant.ok()) {
    const std::string message(grant.status().message());
    no_marker = message.starts_with("NOMARKER");
    if (!no_marker && !message.starts_with("STALE")) violate(message);
    return {};
  }
  if (request.minute.limit != -1) {
    const MinuteState& state = minutes_[subject] = redis.minute(subject);
    if (state.exists) ideals_[subject].see(us, state.limit, state.capacity);
  }
  if (request.limit != -1) {
    months_[key] = redis.month(request.month);
    month_quota_[key] = std::max(month_quota_[key], months_[key].limit);
  }
  check_call(call, *grant, before, month_before);
  check();
  return *grant;
}

}  // namespace quota::store
