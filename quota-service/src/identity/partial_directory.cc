#include "identity/partial_directory.h"

#include <algorithm>
#include <utility>

namespace quota::identity {
namespace {

using State = Answer::State;

// An answer that is being looked up again is asked for again this soon.
constexpr int64_t kSoonUs = 1'000'000;

bool is_same(const policy::Consumer& a, const policy::Consumer& b) {
  return a.id == b.id && a.tier == b.tier && a.overrides == b.overrides &&
         a.billing_day == b.billing_day && a.api_keys == b.api_keys;
}

bool is_answer_to(const Question& question, const policy::Consumer& consumer) {
  if (const auto* key = std::get_if<Sha256>(&question)) {
    return std::ranges::find(consumer.api_keys, *key) != consumer.api_keys.end();
  }
  return std::get<std::string>(question) == consumer.id;
}

}  // namespace

void PartialDirectory::use(ConsumerSource* source) {
  const std::lock_guard lock(mutex_);
  source_ = source;
}

Answer PartialDirectory::look_up(std::string_view id, int64_t mono_us,
                                 const std::shared_ptr<Awaiter>& awaiter) {
  const std::lock_guard lock(mutex_);
  if (Known* known = known_.find(id)) {
    if (auto answer = believe(*known, mono_us)) return *std::move(answer);
  }
  return absent_or_ask(std::string(id), mono_us, awaiter);
}

Answer PartialDirectory::look_up_by_key(const Sha256& key, int64_t mono_us,
                                        const std::shared_ptr<Awaiter>& awaiter) {
  const std::lock_guard lock(mutex_);
  if (const auto owner = by_key_.find(key); owner != by_key_.end()) {
    if (auto answer = believe(*known_.find(owner->second->id), mono_us)) return *std::move(answer);
  }
  return absent_or_ask(key, mono_us, awaiter);
}

bool PartialDirectory::is_usable(const Known& known, int64_t mono_us) const {
  return mono_us - known.asked_us < limits_.known_us + limits_.stale_us;
}

// Nothing when it is too old to be used at all.
std::optional<Answer> PartialDirectory::believe(Known& known, int64_t mono_us) {
  const int64_t age = mono_us - known.asked_us;
  Answer answer{.state = State::kKnown, .consumer = known.consumer};
  if (known.asked_us > refresh_us_ && age < limits_.known_us) {
    answer.lasts_us = limits_.known_us - age;
    return answer;
  }
  if (!is_usable(known, mono_us)) return std::nullopt;
  if (mono_us >= known.retry_us) ask(known.consumer->id, mono_us);
  answer.lasts_us = kSoonUs;
  return answer;
}

Answer PartialDirectory::absent_or_ask(const Question& question, int64_t mono_us,
                                       const std::shared_ptr<Awaiter>& awaiter) {
  if (const Absent* absent = absent_.find(question)) {
    const int64_t age = mono_us - absent->asked_us;
    if (absent->failed) {
      if (age < limits_.retry_us) return {.state = State::kUnavailable};
    } else if (absent->asked_us > refresh_us_ && age < limits_.absent_us) {
      return {.state = State::kAbsent, .lasts_us = limits_.absent_us - age};
    } else if (age < 2 * limits_.absent_us) {
      ask(question, mono_us);
      return {.state = State::kAbsent, .lasts_us = kSoonUs};
    }
  }
  Lookup* lookup = ask(question, mono_us);
  if (lookup == nullptr) return {.state = State::kUnavailable};
  if (awaiter && std::ranges::find(lookup->awaiters, awaiter) == lookup->awaiters.end()) {
    lookup->awaiters.push_back(awaiter);
  }
  return {.state = State::kPending, .lookup = lookup->number};
}

// The look-up of this question that is under way now; null when none may be.
PartialDirectory::Lookup* PartialDirectory::ask(const Question& question, int64_t mono_us) {
  if (const auto found = in_flight_.find(question); found != in_flight_.end()) {
    return &found->second;
  }
  if (source_ == nullptr || in_flight_.size() >= limits_.most_in_flight) {
    ++stats_.unasked;
    return nullptr;
  }
  Lookup& lookup = in_flight_[question];
  lookup.number = ++stats_.lookups;
  lookup.asked_us = mono_us;
  source_->look_up(question);
  return &lookup;
}

bool PartialDirectory::ask_again(const Question& question, Lookup& lookup, int64_t mono_us) {
  if (!std::exchange(lookup.again, false) || source_ == nullptr) return false;
  lookup.asked_us = mono_us;
  source_->look_up(question);
  return true;
}

void PartialDirectory::answered(const Question& question, std::optional<policy::Consumer> consumer,
                                int64_t mono_us) {
  Lookup ended;
  {
    const std::lock_guard lock(mutex_);
    const auto found = in_flight_.find(question);
    if (found == in_flight_.end() || ask_again(question, found->second, mono_us)) return;
    ended = std::move(found->second);
    in_flight_.erase(found);
    const bool is_news = consumer && is_answer_to(question, *consumer)
                             ? keep(*std::move(consumer), ended.asked_us)
                             : keep_absent(question, {.asked_us = ended.asked_us});
    if (is_news) begin_generation();
  }
  for (const auto& awaiter : ended.awaiters) awaiter->answered(ended.number);
}

void PartialDirectory::unanswered(const Question& question, int64_t mono_us) {
  Lookup ended;
  {
    const std::lock_guard lock(mutex_);
    const auto found = in_flight_.find(question);
    if (found == in_flight_.end()) return;
    ended = std::move(found->second);
    in_flight_.erase(found);
    ++stats_.unanswered;
    const auto* id = std::get_if<std::string>(&question);
    Known* known = id == nullptr ? nullptr : known_.find(*id);
    const Absent* absent = absent_.find(question);
    if (known != nullptr) known->retry_us = mono_us + limits_.retry_us;
    const bool has_answer = (known != nullptr && is_usable(*known, mono_us)) ||
                            (absent != nullptr && !absent->failed &&
                             mono_us - absent->asked_us < 2 * limits_.absent_us);
    if (!has_answer) {
      absent_.put(question, {.asked_us = mono_us, .failed = true});
      if (absent_.size() > limits_.most_absent) absent_.erase_oldest();
    }
  }
  for (const auto& awaiter : ended.awaiters) awaiter->answered(ended.number);
}

bool PartialDirectory::keep(policy::Consumer consumer, int64_t asked_us) {
  const auto fresh = std::make_shared<const policy::Consumer>(std::move(consumer));
  bool is_news = false;
  if (const Known* old = known_.find(fresh->id)) {
    is_news = !is_same(*old->consumer, *fresh);
    drop(fresh->id);
  }
  is_news |= drop_absent(fresh->id);
  for (const Sha256& key : fresh->api_keys) {
    is_news |= drop_key(key);  // somebody else's until now
    is_news |= drop_absent(key);
    by_key_[key] = fresh;
  }
  known_.put(fresh->id, {.consumer = fresh, .asked_us = asked_us});
  while (known_.size() + by_key_.size() > limits_.most_known && known_.size() > 1) {
    drop(std::string(known_.oldest().first));
  }
  return is_news;
}

bool PartialDirectory::keep_absent(const Question& question, Absent absent) {
  const auto* key = std::get_if<Sha256>(&question);
  const bool is_news = key ? drop_key(*key) : drop(std::get<std::string>(question));
  absent_.put(question, absent);
  if (absent_.size() > limits_.most_absent) absent_.erase_oldest();
  return is_news;
}

bool PartialDirectory::drop(std::string_view id) {
  const Known* known = known_.find(id);
  if (known == nullptr) return false;
  for (const Sha256& key : known->consumer->api_keys) {
    const auto found = by_key_.find(key);
    if (found != by_key_.end() && found->second == known->consumer) by_key_.erase(found);
  }
  known_.erase(id);
  return true;
}

bool PartialDirectory::drop_key(const Sha256& key) { return by_key_.erase(key) > 0; }

bool PartialDirectory::drop_absent(const Question& question) {
  const Absent* absent = absent_.find(question);
  if (absent == nullptr) return false;
  const bool was_answered = !absent->failed;
  absent_.erase(question);
  return was_answered;
}

void PartialDirectory::forget(std::string_view id, std::span<const Sha256> keys) {
  const std::lock_guard lock(mutex_);
  const auto doubt = [&](const Question& question) {
    drop_absent(question);
    if (const auto found = in_flight_.find(question); found != in_flight_.end()) {
      found->second.again = true;
    }
  };
  drop(id);
  doubt(std::string(id));
  for (const Sha256& key : keys) {
    drop_key(key);
    doubt(key);
  }
  if (keys.empty()) {
    for (auto& [question, lookup] : in_flight_) {
      lookup.again |= std::holds_alternative<Sha256>(question);
    }
  }
  // Always: resolvers may remember what is no longer here.
  begin_generation();
}

void PartialDirectory::refresh_all(int64_t mono_us) {
  const std::lock_guard lock(mutex_);
  refresh_us_ = mono_us;
  for (auto& [question, lookup] : in_flight_) lookup.again = true;
  begin_generation();
}

void PartialDirectory::changed(const policy::Consumer& consumer) {
  forget(consumer.id, consumer.api_keys);
}

PartialDirectory::Stats PartialDirectory::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.known = known_.size() + by_key_.size();
  stats.absent = absent_.size();
  stats.in_flight = in_flight_.size();
  return stats;
}

}  // namespace quota::identity
