#include "rpc/decider.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace quota::rpc {
namespace {

uint64_t monotonic_ns() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(ts.tv_nsec);
}

int64_t unix_us() {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  return int64_t{wall.tv_sec} * 1'000'000 + wall.tv_nsec / 1000;
}

// A parked check waits at most for so many look-ups: another one is needed when a record changes
// just after it was looked up.
constexpr int kMostRounds = 2;

}  // namespace

// A check that waits for the engine: what its verdict needs, copied out of the batch, which will be
// gone.
class Decider::LateCheck final : public engine::Waiter {
 public:
  LateCheck(const Books& books, const identity::Check& check, const gate::Case& assessed,
            std::shared_ptr<const policy::Policy> policy, std::shared_ptr<LateVerdicts> to,
            uint64_t since_ns)
      : entry_(books, check, assessed),
        subject_key_(assessed.charge.subject),
        is_uncertain_(assessed.subject->is_uncertain),
        charge_(assessed.charge),
        id_(check.id),
        policy_(std::move(policy)),
        to_(std::move(to)),
        since_ns_(since_ns) {
    charge_.subject = subject_key_;
  }

  const engine::Charge& charge() const override { return charge_; }

  void decided(const engine::Decision& found) override {
    engine::Decision decision = found;
    decision.degraded |= is_uncertain_;
    entry_.note(decision, unix_us(), monotonic_ns() - since_ns_);
    to_->deliver({.id = id_,
                  .consumer = entry_.consumer(),
                  .tier = entry_.tier(),
                  .endpoint = entry_.endpoint(),
                  .cost_milli = entry_.cost_milli()},
                 decision);
  }

 private:
  LateEntry entry_;
  const std::string subject_key_;
  const bool is_uncertain_;
  engine::Charge charge_;
  const uint64_t id_;
  const std::shared_ptr<const policy::Policy> policy_;  // of which entry_ knows a rule
  const std::shared_ptr<LateVerdicts> to_;
  const uint64_t since_ns_;
};

Decider::Decider(engine::Engine& engine, const policy::LivePolicy& live,
                 identity::Directory& directory, Books books, DeciderOptions options)
    : options_(std::move(options)),
      gatekeeper_(engine, live, directory),
      books_(std::move(books)) {}

Decider::~Decider() { mailbox_->use(nullptr); }

void Decider::use(WakeUp& wake_up) {
  wake_up_ = &wake_up;
  mailbox_->use(&wake_up);
  awaiter_ = mailbox_;
}

void Decider::begin() {
  began_ns_ = monotonic_ns();
  gatekeeper_.begin(options_.clock ? options_.clock()
                                   : Now{.mono_us = static_cast<int64_t>(began_ns_ / 1000),
                                         .unix_us = unix_us()});
}

void Decider::begin_batch() {
  begin();
  books_.begin(gatekeeper_.policy(), gatekeeper_.now());
}

void Decider::end_batch(uint64_t checks) { books_.end(checks, monotonic_ns() - began_ns_); }

const gate::Case* Decider::assess(const identity::Check& check, size_t at,
                                  const std::shared_ptr<LateVerdicts>& late) {
  const gate::Case& assessed =
      gatekeeper_.assess(check, parked_.size() < options_.most_parked ? awaiter_ : nobody_, at);
  if (assessed.subject->kind != identity::Kind::kPending) return &assessed;
  park(assessed.subject->lookup,
       {.check = OwnedCheck(check), .late = late, .since_ns = monotonic_ns()});
  return nullptr;
}

bool Decider::decide(const identity::Check& check, const gate::Case& assessed, VerdictFacts& facts,
                     engine::Decision& decision, const std::shared_ptr<LateVerdicts>& late) {
  const bool known = gatekeeper_.decide(assessed, decision, [&] {
    return std::make_unique<LateCheck>(books_, check, assessed, gatekeeper_.policy(), late,
                                       monotonic_ns());
  });
  if (!known) return false;
  books_.note(check, assessed, decision, gatekeeper_.now());
  const identity::Subject& subject = *assessed.subject;
  facts = {.id = check.id,
           .consumer = subject.consumer,
           .tier = subject.tier,
           .endpoint = assessed.endpoint->name,
           .cost_milli = assessed.charge.cost};
  return true;
}

bool Decider::decide(const identity::Check& check, VerdictFacts& facts, engine::Decision& decision,
                     const std::shared_ptr<LateVerdicts>& late) {
  const gate::Case* const assessed = assess(check, 0, late);
  return assessed != nullptr && decide(check, *assessed, facts, decision, late);
}

void Decider::park(uint64_t lookup, ParkedCheck parked) {
  parked.deadline_us = gatekeeper_.now().mono_us + options_.lookup_timeout_us;
  parked_.add(lookup, std::move(parked));
  if (parked_.size() == 1) wake_up_->wake_in(options_.lookup_timeout_us);
}

void Decider::wake() {
  const std::vector<uint64_t> ended = mailbox_->take();
  if (parked_.size() == 0) return;
  begin();
  for (const uint64_t lookup : ended) {
    for (ParkedCheck& each : parked_.take(lookup)) {
      const bool may_wait = each.rounds < kMostRounds;
      resume(std::move(each), may_wait);
    }
  }
  const int64_t now_us = gatekeeper_.now().mono_us;
  for (ParkedCheck& each : parked_.take_expired(now_us)) resume(std::move(each), false);
  if (parked_.size() > 0) wake_up_->wake_in(parked_.next_deadline_us() - now_us);
}

void Decider::resume(ParkedCheck parked, bool may_wait) {
  const identity::Check& check = parked.check.get();
  const gate::Case& assessed = gatekeeper_.assess(check, may_wait ? awaiter_ : nobody_);
  if (assessed.subject->kind == identity::Kind::kPending) {
    const uint64_t lookup = assessed.subject->lookup;
    ++parked.rounds;
    park(lookup, std::move(parked));
    return;
  }
  const auto late = [&] {
    return std::make_unique<LateCheck>(books_, check, assessed, gatekeeper_.policy(), parked.late,
                                       parked.since_ns);
  };
  engine::Decision decision;
  if (gatekeeper_.decide(assessed, decision, late)) late()->decided(decision);
}

bool Decider::decide_batch(std::string_view request, std::string& response,
                           const std::shared_ptr<LateVerdicts>& late, uint64_t& waiting) {
  begin_batch();
  BatchReader batch(request);
  BatchReader::Step step = BatchReader::Step::kCheck;
  uint64_t checks = 0;
  bool is_whole = false;
  while (!is_whole) {
    size_t size = 0;  // of this group
    while (size < kGroup) {
      step = batch.next(checks_[size]);
      is_whole = step != BatchReader::Step::kCheck || checks == kMaxChecksPerBatch;
      if (is_whole) break;
      ++checks;
      cases_[size] = assess(checks_[size], size, late);
      if (cases_[size] == nullptr) {
        ++waiting;
        continue;
      }
      gatekeeper_.prefetch_index(*cases_[size]);
      ++size;
    }
    if (size > 1) {
      for (size_t i = 0; i < size; ++i) gatekeeper_.prefetch_record(*cases_[i]);
    }
    for (size_t i = 0; i < size; ++i) {
      VerdictFacts facts;
      engine::Decision decision;
      if (decide(checks_[i], *cases_[i], facts, decision, late)) {
        append_batch_verdict(response, facts, decision);
      } else {
        ++waiting;
      }
    }
  }
  end_batch(checks);
  if (step != BatchReader::Step::kEnd) return false;
  append_ack(response);
  return true;
}

Decider::One Decider::decide_one(std::string_view check_request, std::string& verdict,
                                 const std::shared_ptr<LateVerdicts>& late) {
  if (!read_check_request(check_request, checks_[0])) return One::kMalformed;
  begin_batch();
  VerdictFacts facts;
  engine::Decision decision;
  const bool known = decide(checks_[0], facts, decision, late);
  if (known) append_verdict(verdict, facts, decision);
  end_batch(1);
  return known ? One::kDecided : One::kWaiting;
}

}  // namespace quota::rpc
