#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "base/local_counter.h"
#include "events/event.h"
#include "events/ring.h"

namespace quota::events {

struct TapOptions {
  double sample_allowed = 0;       // of decisions that let through, how many become events: 0 to 1
  int64_t most_denials = 0;        // events of denials each second, of this thread; 0: none
  int64_t slow_us = 0;             // a decision that waited longer is logged; 0: none is
  bool log_denials = false;        // one each second at most, with a count of those left out
  bool tell_thresholds = false;    // what Kind knows besides kDecision
  int64_t quiet_us = 600'000'000;  // without a denial: the next one is a first one
  size_t ring = 1024;
  size_t most_late = 4096;
};

// Picks out, on the thread that decides, what others are to hear of, and puts it where another
// thread fetches it. It never waits: what finds no room is dropped and counted.
class Tap {
 public:
  explicit Tap(TapOptions options, uint64_t seed = 1);

  // By the owning thread.
  void note(const identity::Check& check, const identity::Subject& subject,
            const policy::EndpointRule& endpoint, int64_t cost_milli,
            const engine::Decision& decision, int64_t unix_us) {
    const bool is_sampled = sample(random_);
    if (!is_sampled && !is_denial(decision) && !is_near_month(decision)) [[likely]]
      return;
    examine(check, subject, endpoint, cost_milli, decision, unix_us, is_sampled);
  }

  // A decision that comes later, on any thread: `event` was filled by fill() meanwhile.
  void note_late(Event& event, const engine::Decision& decision, int64_t unix_us,
                 int64_t waited_us);

  // By one other thread: shows all that was picked out since to `visit`, in the order of time.
  void drain(const std::function<void(const Event&)>& visit);

  struct Stats {
    uint64_t dropped = 0;  // no room
    uint64_t capped = 0;   // denials beyond most_denials
  };
  Stats stats() const;

 private:
  static bool is_denial(const engine::Decision& decision) {
    return events::is_denial(decision.outcome, decision.shadow);
  }
  static bool is_near_month(const engine::Decision& decision) {
    return decision.month.limit > 0 && decision.month.remaining <= decision.month.limit / 5;
  }
  // Pseudo-random, and cheap: who is sampled must not depend on what a client sends.
  bool sample(uint64_t& random) const {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return (random >> 32) < sample_below_;
  }
  // What there is to tell of a denial; one budget for each second.
  struct Denials {
    int64_t second = 0;
    int64_t events = 0;
    uint32_t not_logged = 0;
    bool was_logged = false;
  };
  struct Wanted {
    bool event = false;
    bool log = false;
    uint32_t left_out = 0;
    bool any() const { return event || log; }
  };
  void examine(const identity::Check& check, const identity::Subject& subject,
               const policy::EndpointRule& endpoint, int64_t cost_milli,
               const engine::Decision& decision, int64_t unix_us, bool is_sampled);
  static void not_logged(Denials& denials, Wanted wanted) {
    if (wanted.log) denials.not_logged += wanted.left_out + 1;
  }
  Wanted want_denial(Denials& denials, LocalCounter& capped, int64_t unix_us) const;

  const TapOptions options_;
  const uint64_t sample_below_;  // of 2^32
  uint64_t random_;
  Denials denials_;
  LocalCounter capped_;
  LocalCounter dropped_;
  Ring<Event> ring_;

  mutable std::mutex late_mutex_;  // guards what follows
  std::deque<Event> late_;
  Denials late_denials_;
  // Whom a threshold was told of since the last drain, and which: the same again says nothing, and
  // would take the room of others.
  absl::flat_hash_set<size_t> late_told_;
  uint64_t late_random_;
  LocalCounter late_capped_;
  LocalCounter late_dropped_;
};

}  // namespace quota::events
