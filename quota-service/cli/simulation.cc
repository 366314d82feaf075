#include "cli/simulation.h"

#include <algorithm>
#include <utility>

#include "base/ip.h"

namespace quota::cli {
namespace {

using engine::Decision;
using engine::Outcome;
using engine::Reason;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kTendEveryUs = 10 * kSecondUs;

std::shared_ptr<const policy::Policy> as_enforced(const policy::Policy& policy) {
  auto copy = std::make_shared<policy::Policy>(policy);
  copy->mode = policy::Mode::kEnforce;
  copy->identity.trust_consumer = true;
  copy->identity.trust_tier = true;
  return copy;
}

// Nobody who is in the traffic is left out.
constexpr engine::EngineOptions kRoomForAll = {
    .max_subjects = INT32_MAX, .max_anonymous = INT32_MAX, .idle_retention_us = 3600 * kSecondUs};

std::string name_of(const identity::Subject& subject) {
  if (subject.kind == identity::Kind::kConsumer) return subject.consumer;
  if (subject.kind == identity::Kind::kRejected) return "(unknown credentials)";
  const auto address = IpAddress::from_bytes(std::string_view(subject.key).substr(2));
  return address ? address->to_string() : "(no address)";
}

void count(const Decision& decision, int64_t cost, int64_t now_us, Simulation::Tally& tally) {
  ++tally.requests;
  switch (decision.outcome) {
    case Outcome::kAllowed:
      ++tally.allowed;
      tally.cost_milli += cost;
      return;
    case Outcome::kExempt:
      ++tally.exempt;
      return;
    case Outcome::kUnauthenticated:
      ++tally.unauthenticated;
      break;
    case Outcome::kDenied:
      ++(decision.reason == Reason::kMinute  ? tally.denied_by_minute
         : decision.reason == Reason::kMonth ? tally.denied_by_month
                                             : tally.denied_otherwise);
      break;
  }
  if (tally.first_denial_us == 0) tally.first_denial_us = now_us;
}

void add_to(Simulation::Tally& sum, const Simulation::Tally& more) {
  sum.requests += more.requests;
  sum.allowed += more.allowed;
  sum.exempt += more.exempt;
  sum.unauthenticated += more.unauthenticated;
  sum.denied_by_minute += more.denied_by_minute;
  sum.denied_by_month += more.denied_by_month;
  sum.denied_otherwise += more.denied_otherwise;
  sum.cost_milli += more.cost_milli;
  if (more.first_denial_us != 0 &&
      (sum.first_denial_us == 0 || more.first_denial_us < sum.first_denial_us)) {
    sum.first_denial_us = more.first_denial_us;
  }
}

}  // namespace

// Keeps the months in memory and grants all that is left of them.
class Simulation::Store final : public engine::Store {
 public:
  void start(engine::GrantSink* sink) override { sink_ = sink; }
  void reserve(engine::Reserve request) override {
    const int64_t known = used_[{request.month.subject, request.month.period}];
    grants_.push_back({.month = std::move(request.month),
                       .used = request.used < 0 ? known : request.used,
                       .mark = request.limit,
                       .ok = true,
                       .seq = request.seq});
  }
  void settle(engine::MonthKey month, int64_t used) override {
    used_[{std::move(month.subject), month.period}] = used;
  }
  void spend(engine::MonthKey month, int64_t amount) override {
    used_[{std::move(month.subject), month.period}] += amount;
  }
  void journal(engine::MonthKey, int64_t, bool) override {}
  void reset(engine::MonthKey month) override { settle(std::move(month), 0); }
  bool healthy() const override { return true; }

  void answer(Now now) {
    while (!grants_.empty()) sink_->on_grants(std::exchange(grants_, {}), now);
  }

 private:
  engine::GrantSink* sink_ = nullptr;
  std::vector<engine::Grant> grants_;
  std::map<std::pair<std::string, int32_t>, int64_t> used_;
};

class Simulation::Answer final : public engine::Waiter {
 public:
  Answer(const engine::Charge& charge, Decision& decision)
      : subject_(charge.subject), charge_(charge), decision_(decision) {
    charge_.subject = subject_;
  }
  const engine::Charge& charge() const override { return charge_; }
  void decided(const Decision& decision) override { decision_ = decision; }

 private:
  const std::string subject_;
  engine::Charge charge_;
  Decision& decision_;
};

Simulation::Simulation(const policy::Policy& policy)
    : live_(as_enforced(policy)),
      store_(std::make_unique<Store>()),
      engine_(kRoomForAll, *store_),
      gatekeeper_(engine_, live_, directory_) {
  store_->start(&engine_);
}

Simulation::~Simulation() = default;

void Simulation::add(const identity::Check& request, int64_t unix_us) {
  if (first_us_ == 0) first_us_ = tended_us_ = last_us_ = unix_us;
  if (unix_us < last_us_ - kSecondUs) ++late_;
  last_us_ = std::max(last_us_, unix_us);
  const Now now{.mono_us = last_us_, .unix_us = last_us_};
  if (last_us_ - tended_us_ >= kTendEveryUs) {
    tended_us_ = last_us_;
    engine_.tend(now);
    store_->answer(now);
  }
  gatekeeper_.begin(now);
  const gate::Case assessed = gatekeeper_.assess(request);
  Decision decision;
  if (!gatekeeper_.decide(assessed, decision,
                          [&] { return std::make_unique<Answer>(assessed.charge, decision); })) {
    store_->answer(now);
  }
  const identity::Subject& subject = *assessed.subject;
  Who& who = subjects_[subject.key];
  if (who.tally.requests == 0) {
    who.name = name_of(subject);
    who.is_consumer = subject.kind == identity::Kind::kConsumer;
  }
  who.tier = subject.tier;
  count(decision, assessed.charge.cost, last_us_, who.tally);
}

Simulation::Tally Simulation::total() const {
  Tally sum;
  for (const auto& [key, who] : subjects_) add_to(sum, who.tally);
  return sum;
}

std::map<std::string, Simulation::Tally> Simulation::by_tier() const {
  std::map<std::string, Tally> tiers;
  for (const auto& [key, who] : subjects_) add_to(tiers[who.tier], who.tally);
  return tiers;
}

std::vector<Simulation::Who> Simulation::subjects() const {
  std::vector<Who> all;
  all.reserve(subjects_.size());
  for (const auto& [key, who] : subjects_) all.push_back(who);
  std::ranges::stable_sort(all, [](const Who& a, const Who& b) {
    return std::pair(a.tally.denied(), a.tally.requests) >
           std::pair(b.tally.denied(), b.tally.requests);
  });
  return all;
}

}  // namespace quota::cli
