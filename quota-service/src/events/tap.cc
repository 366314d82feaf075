#include "events/tap.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace quota::events {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

uint64_t below(double rate) {
  return static_cast<uint64_t>(std::llround(std::clamp(rate, 0.0, 1.0) * 4'294'967'296.0));
}

bool is_used_up(const engine::Decision& decision) {
  return decision.reason == engine::Reason::kMonth || decision.month.remaining == 0;
}

}  // namespace

Tap::Tap(TapOptions options, uint64_t seed)
    : options_(options),
      sample_below_(below(options.sample_allowed)),
      random_(seed * 0x9e37'79b9'7f4a'7c15 | 1),
      ring_(options.ring),
      late_random_(random_ ^ 0x5555) {}

Tap::Wanted Tap::want_denial(Denials& denials, LocalCounter& capped, int64_t unix_us) const {
  if (const int64_t second = unix_us / kSecondUs; second != denials.second) {
    denials.second = second;
    denials.events = 0;
    denials.was_logged = false;
  }
  Wanted wanted;
  if (options_.most_denials > 0) {
    wanted.event = denials.events < options_.most_denials;
    if (wanted.event) {
      ++denials.events;
    } else {
      capped.add(1);
    }
  }
  if (!options_.log_denials) return wanted;
  if (denials.was_logged) {
    ++denials.not_logged;
    return wanted;
  }
  wanted.log = denials.was_logged = true;
  wanted.left_out = std::exchange(denials.not_logged, 0);
  return wanted;
}

void Tap::examine(const identity::Check& check, const identity::Subject& subject,
                  const policy::EndpointRule& endpoint, int64_t cost_milli,
                  const engine::Decision& decision, int64_t unix_us, bool is_sampled) {
  const auto write = [&](Kind kind, Wanted wanted) {
    Event* const event = ring_.claim();
    if (event == nullptr) return dropped_.add(1);
    event->fill(check, subject, endpoint, cost_milli);
    event->set(decision, unix_us, 0);
    event->kind = kind;
    event->is_wanted = wanted.event;
    event->is_logged = wanted.log;
    event->left_out = wanted.left_out;
    ring_.publish();
  };
  const bool denied = is_denial(decision);
  const Wanted wanted =
      denied ? want_denial(denials_, capped_, unix_us) : Wanted{.event = is_sampled};
  if (wanted.any()) write(Kind::kDecision, wanted);

  if (!options_.tell_thresholds || subject.kind != identity::Kind::kConsumer) return;
  identity::Notes& notes = subject.notes;
  if (denied) {
    if (unix_us - notes.denied_us > options_.quiet_us) write(Kind::kFirstDenial, {.event = true});
    notes.denied_us = unix_us;
  }
  if (!is_near_month(decision)) return;
  if (notes.month_end_us != decision.month.reset_unix_us) {
    notes.month_end_us = decision.month.reset_unix_us;
    notes.told = 0;
  }
  const int used = is_used_up(decision) ? 100 : 80;
  if (used <= notes.told) return;
  notes.told = used;
  write(used == 100 ? Kind::kMonth100 : Kind::kMonth80, {.event = true});
}

void Tap::note_late(Event& event, const engine::Decision& decision, int64_t unix_us,
                    int64_t waited_us) {
  event.set(decision, unix_us, waited_us);
  const bool denied = is_denial(decision);
  const std::lock_guard lock(late_mutex_);
  const auto write = [&](Kind kind, Wanted wanted) {
    if (late_.size() >= options_.most_late) return late_dropped_.add(1);
    event.kind = kind;
    event.is_wanted = wanted.event;
    event.is_logged = wanted.log;
    event.left_out = wanted.left_out;
    late_.push_back(event);
  };
  Wanted wanted;
  if (denied) {
    wanted = want_denial(late_denials_, late_capped_, unix_us);
  } else {
    wanted.event = sample(late_random_);
  }
  // How often that may be logged is decided where all threads meet.
  if (options_.slow_us > 0 && waited_us > options_.slow_us) wanted.log = true;
  if (wanted.any()) write(Kind::kDecision, wanted);

  // The subject belongs to another thread, so what was told of it already is sorted out later.
  if (!options_.tell_thresholds || !event.is_consumer) return;
  if (denied) write(Kind::kFirstDenial, {.event = true});
  if (is_near_month(decision)) {
    write(is_used_up(decision) ? Kind::kMonth100 : Kind::kMonth80, {.event = true});
  }
}

void Tap::drain(const std::function<void(const Event&)>& visit) {
  ring_.drain(visit);
  std::deque<Event> late;
  {
    const std::lock_guard lock(late_mutex_);
    late.swap(late_);
  }
  for (const Event& event : late) visit(event);
}

Tap::Stats Tap::stats() const {
  const std::lock_guard lock(late_mutex_);
  return {.dropped = dropped_.value() + late_dropped_.value(),
          .capped = capped_.value() + late_capped_.value()};
}

}  // namespace quota::events
