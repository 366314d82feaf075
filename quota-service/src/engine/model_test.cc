#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "engine/engine.h"
#include "engine/fake_store.h"
#include "engine/period.h"

// The engine against a slow, obvious model: exact fractions, no caches, no store.
namespace quota::engine {
namespace {

__extension__ typedef __int128 Exact;  // milli-tokens × 60,000,000: one microsecond of one milli

constexpr int64_t kMinute = 60'000'000;

struct Event {
  int subject;
  int64_t after_us;
  int64_t wall_jump_us;
  int64_t cost;
  int64_t limit;
  int64_t month;
  bool peek;
  int store;  // 0: answers later, else at once
};

class Model {
 public:
  bool decide(const Event& event, Now now, int64_t burst_milli) {
    State state = states_[event.subject];
    advance(state, now.mono_us, event.limit, burst_milli);
    int64_t& spent = spent_[{event.subject, period_at(now.unix_us, 1).start_day}];
    const bool allowed = Exact{event.cost} * kMinute <= state.level - state.level % kMinute &&
                         spent + event.cost <= event.month;
    if (allowed && !event.peek) {
      state.level -= Exact{event.cost} * kMinute;
      spent += event.cost;
      states_[event.subject] = state;
    }
    return allowed;
  }

 private:
  struct State {
    bool fresh = true;
    Exact level = 0;
    int64_t at = 0;
    int64_t limit = 0;
  };

  static Exact capacity(int64_t limit, int64_t burst_milli) {
    return Exact{limit * burst_milli / 1000} * kMinute;
  }

  static void advance(State& state, int64_t now, int64_t limit, int64_t burst_milli) {
    if (state.fresh) state = {false, Exact{limit} * kMinute, now, limit};
    if (now > state.at) {
      if (state.level < capacity(state.limit, burst_milli)) {
        state.level += Exact{now - state.at} * std::min(limit, state.limit);
      }
      state.level = std::min(state.level, capacity(state.limit, burst_milli));
      state.at = now;
    }
    if (limit != state.limit) {
      // A fraction of a milli-token is dropped when the limit changes.
      Exact whole = state.level / kMinute;
      if (state.level % kMinute < 0) --whole;
      state.level = (whole + limit - state.limit) * kMinute;
      state.limit = limit;
    }
    state.level = std::min(state.level, capacity(limit, burst_milli));
  }

  std::map<int, State> states_;
  std::map<std::pair<int, int32_t>, int64_t> spent_;
};

rc::Gen<Event> event() {
  return rc::gen::build<Event>(
      rc::gen::set(&Event::subject, rc::gen::inRange(0, 3)),
      rc::gen::set(&Event::after_us, rc::gen::oneOf(rc::gen::inRange<int64_t>(0, 1'000),
                                                    rc::gen::inRange<int64_t>(-1'000, 20'000'000))),
      rc::gen::set(&Event::wall_jump_us,
                   rc::gen::weightedOneOf<int64_t>(
                       {{9, rc::gen::just<int64_t>(0)},
                        {1, rc::gen::inRange<int64_t>(0, 40LL * 86'400 * 1'000'000)}})),
      rc::gen::set(&Event::cost, rc::gen::inRange<int64_t>(1, 3'000)),
      rc::gen::set(&Event::limit, rc::gen::element<int64_t>(3'000, 10'007, 10'007, 10'007, 60'000)),
      rc::gen::set(&Event::month, rc::gen::element<int64_t>(40'000, 40'000, 100'000)),
      rc::gen::set(&Event::peek, rc::gen::weightedElement<bool>({{9, false}, {1, true}})),
      rc::gen::set(&Event::store, rc::gen::inRange(0, 4)));
}

RC_GTEST_PROP(EngineModel, DecidesAsTheModelDoes, ()) {
  const int64_t burst = *rc::gen::element<int64_t>(1000, 1500, 2250);
  const auto events = *rc::gen::resize(300, rc::gen::container<std::vector<Event>>(event()));
  FakeStore store;
  Engine engine({}, store);
  store.start(&engine);
  Model model;
  Now now{.mono_us = 10'000'000, .unix_us = 1'795'132'800LL * 1'000'000};
  for (const Event& event : events) {
    now.mono_us += event.after_us;
    now.unix_us += event.after_us + event.wall_jump_us;
    const std::string subject = "c:" + std::to_string(event.subject);
    const Charge charge{.subject = subject,
                        .limits = {event.limit, event.month},
                        .burst_milli = burst,
                        .cost = event.cost,
                        .peek = event.peek};
    Answers answers;
    Decision decision;
    if (!engine.decide(charge, now, decision,
                       [&] { return std::make_unique<RecordingWaiter>(charge, answers); })) {
      store.answer(now);
      RC_ASSERT(answers.decisions.size() == 1u);
      decision = answers.decisions[0];
    } else if (event.store == 0) {
      store.answer(now);
    }
    const bool expected = model.decide(event, now, burst);
    RC_ASSERT((decision.outcome == Outcome::kAllowed) == expected);
    RC_ASSERT(!decision.degraded);
    RC_ASSERT(decision.minute.remaining >= 0 && decision.minute.remaining <= event.limit);
    RC_ASSERT(decision.month.remaining >= 0 && decision.month.remaining <= event.month);
  }
}

// Whatever happens to the store, to the process and to the subject's place in memory, a month never
// gives more than its quota, and what was admitted is never forgotten.
RC_GTEST_PROP(EngineModel, AMonthIsNeverExceededByCrashesOrEvictions, ()) {
  constexpr int64_t kQuota = 200'000;
  FakeStore store;
  auto engine = std::make_unique<Engine>(EngineOptions{.max_subjects = 2}, store);
  store.start(engine.get());
  Now now{.mono_us = 10'000'000, .unix_us = 1'795'132'800LL * 1'000'000};
  std::map<int, int64_t> admitted;
  const auto steps =
      *rc::gen::resize(400, rc::gen::container<std::vector<std::pair<int, int>>>(
                                rc::gen::pair(rc::gen::inRange(0, 40), rc::gen::inRange(0, 4))));
  for (const auto& [action, who] : steps) {
    if (action == 0) {  // kill -9: what was queued is lost, what was recorded is not
      auto marks = store.marks;
      store = FakeStore{};
      store.marks = std::move(marks);
      engine = std::make_unique<Engine>(EngineOptions{.max_subjects = 2}, store);
      store.start(engine.get());
      continue;
    }
    now.mono_us += action * 100'000;
    now.unix_us += action * 100'000;
    const std::string subject = "c:" + std::to_string(who);
    const Charge charge{
        .subject = subject, .limits = {600'000, kQuota}, .cost = 1'000 * (1 + action % 7)};
    Answers answers;
    Decision decision;
    if (!engine->decide(charge, now, decision,
                        [&] { return std::make_unique<RecordingWaiter>(charge, answers); })) {
      store.answer(now);
      decision = answers.decisions.at(0);
    }
    if (decision.outcome == Outcome::kAllowed) admitted[who] += charge.cost;
    RC_ASSERT(admitted[who] <= kQuota);
    int64_t recorded = 0;
    for (const auto& [key, mark] : store.marks) {
      if (key.first == subject) recorded = mark;
    }
    RC_ASSERT(recorded >= 0);
    if (decision.outcome == Outcome::kAllowed) RC_ASSERT(recorded > 0);
  }
}

}  // namespace
}  // namespace quota::engine
