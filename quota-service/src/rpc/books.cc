#include "rpc/books.h"

#include "usage/month.h"

namespace quota::rpc {

void Books::begin(const std::shared_ptr<const policy::Policy>& policy, Now now) {
  if (counters != nullptr && policy.get() != counted_policy) {
    counters->use(policy);
    counted_policy = policy.get();
  }
  if (meter != nullptr) meter->begin(policy, now.unix_us);
  noted = 0;
}

void Books::note(const identity::Check& check, const gate::Case& assessed,
                 const engine::Decision& decision, Now now) {
  const identity::Subject& subject = *assessed.subject;
  ++noted;
  if (counters != nullptr) {
    counters->count(subject.tier_entry, *assessed.endpoint, decision.outcome, decision.reason);
  }
  if (check.peek) return;  // nothing was used
  if (meter != nullptr) {
    meter->count(subject, *assessed.endpoint, decision.outcome, check.hits, assessed.charge.cost);
  }
  if (tap != nullptr) {
    tap->note(check, subject, *assessed.endpoint, assessed.charge.cost, decision, now.unix_us);
  }
}

void Books::end(uint64_t checks, uint64_t duration_ns) {
  if (meter != nullptr) meter->end();
  if (counters != nullptr) counters->batch(checks, noted, duration_ns);
}

LateEntry::LateEntry(const Books& books, const identity::Check& check, const gate::Case& assessed)
    : books_(books),
      consumer_(assessed.subject->consumer),
      tier_(assessed.subject->tier),
      endpoint_(assessed.endpoint),
      cost_milli_(assessed.charge.cost),
      hits_(check.hits),
      is_peek_(check.peek) {
  if (books.tap == nullptr || check.peek) return;
  event_ = std::make_unique<events::Event>();
  event_->fill(check, *assessed.subject, *assessed.endpoint, assessed.charge.cost);
}

void LateEntry::note(const engine::Decision& decision, int64_t unix_us, uint64_t waited_ns) {
  if (books_.counters != nullptr) {
    books_.counters->count_late({.tier = tier_,
                                 .endpoint = endpoint_->name,
                                 .outcome = std::string(to_string(decision.outcome)),
                                 .reason = std::string(to_string(decision.reason))},
                                waited_ns);
  }
  if (is_peek_) return;
  if (books_.meter != nullptr) {
    books_.meter->count_late(
        {.consumer = consumer_, .endpoint = endpoint_->name, .day = usage::day_at(unix_us)}, tier_,
        usage::amount_of(decision.outcome, hits_, cost_milli_));
  }
  if (event_ != nullptr) {
    books_.tap->note_late(*event_, decision, unix_us, static_cast<int64_t>(waited_ns / 1000));
  }
}

}  // namespace quota::rpc
