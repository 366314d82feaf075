// Several quotads and a real Redis in virtual time, whatever happens to their calls, clocks and
// processes. What must hold is in lease_books_test.cc; it is looked at after every step.
//
// Faults that were planted to see whether they are noticed, and by which tests: P these properties,
// S lease_script_test.cc, M lease_month_test.cc, L lease_loss_test.cc, H lease_holder_test.cc,
// U lease_load_test.cc. A script is tried with QUOTA_LEASE_LUA=<file>; RC_PARAMS=noshrink=1
// makes it quick.
//
//   refill capped at B, not at B - O                  P S
//   leases burned in another order, or by name        S
//   expired leases not burned                         P S
//   burned tokens come back                           P S M
//   no refill up to an expiry; ts not moved to it     P S
//   same seq applied again, minute or month           P S M
//   lower seq accepted                                P S
//   spending ignored, or taken as a difference        P S M H
//   returned: not added, or not taken off             P S H
//   returned: more than the balance                   L
//   grant beyond the level                            P S M H
//   grant of less than is needed                      S
//   other holders not counted                         S H
//   clock instead of max(ts, clock)                   P S
//   month's count added instead of merged             P M H
//   month's overspending taken twice                  P M H
//   month's count may fall                            M
//   month's spending not taken off the balance        P M H
//   release without zeroing                           P M H
//   release ignored                                   M H
//   forgotten month counts as unspent                 M
//   month grants half of what remains                 P M H
//   void_before ignored for old, or new, buckets      P L
//   void bucket keeps its leases, or its limit        L
//   void_before taken from the caller alone           P L
//   grants in the pause, minute or month              L M
//   missing marker ignored                            L
//   higher of two rates; limit change not applied     P S
//   lowered capacity ignored                          P S
//   remainder dropped; product beyond 2^53            S
//   debt ignored, or below zero                       S H
//   lease not renewed                                 P S H U
//   lease lasts half, or twice, as long               S, half of it P H
//   new bucket is full                                P S M H
//   burned lease not said                             S
//   holder counts from zero after a burned lease      P S
//   key may go before the bucket is full              S
//   engine: deadline counted from the reply           P H
//   engine: no margin for drifting clocks             P H
//   engine: spending during a call forgotten          P
//   engine: returned balance not zeroed first         P
//   engine: a forgotten subject counts from zero      P H
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "store/lease_world.h"

namespace quota::store {
namespace {

using engine::Charge;
using engine::EngineOptions;

enum class Event {
  kAsk,
  kServe,
  kSend,
  kExecute,
  kExecuteTwice,
  kDeliver,
  kDrop,
  kUnheard,
  kLate,
  kTend,
  kCrash,
  kClose,
  kReset,
  kClockBack,
  kLimit,
  kMonthEnds,
  kEmpty,
  kRollBack,
};

struct Step {
  Event event;
  uint32_t who;
  uint32_t what;
  int64_t us;  // passes before it
};

void showValue(const Step& step, std::ostream& out) {
  out << "{" << static_cast<int>(step.event) << ", " << step.who << ", " << step.what << ", "
      << step.us << "}";
}

rc::Gen<Step> step(bool loses_data) {
  using rc::gen::inRange;
  std::vector<std::pair<size_t, Event>> events = {
      {30, Event::kAsk},         {12, Event::kServe},  {4, Event::kSend},  {6, Event::kExecute},
      {3, Event::kExecuteTwice}, {6, Event::kDeliver}, {2, Event::kDrop},  {2, Event::kUnheard},
      {3, Event::kLate},         {8, Event::kTend},    {1, Event::kCrash}, {1, Event::kClose}};
  const size_t rarely = 1;
  if (loses_data) {
    // What was used before a limit was lowered is forgotten with the rest, so limits stay here. And
    // a bucket is known to be old by its time, so the clock must not fall behind that by a ttl.
    events.insert(events.end(), {{rarely, Event::kEmpty}, {rarely, Event::kRollBack}});
  } else {
    events.insert(events.end(), {{rarely, Event::kReset},
                                 {rarely, Event::kMonthEnds},
                                 {rarely, Event::kLimit},
                                 {rarely, Event::kClockBack}});
  }
  std::vector<Event> deck;
  for (const auto& [weight, event] : events) deck.insert(deck.end(), weight, event);
  return rc::gen::build<Step>(
      rc::gen::set(&Step::event, rc::gen::elementOf(deck)),
      rc::gen::set(&Step::who, inRange<uint32_t>(0, 1 << 16)),
      rc::gen::set(&Step::what, inRange<uint32_t>(0, 1 << 16)),
      rc::gen::set(&Step::us,
                   rc::gen::weightedOneOf<int64_t>({{10, inRange<int64_t>(0, 2'000)},
                                                    {6, inRange<int64_t>(0, 100'000)},
                                                    {2, inRange<int64_t>(0, kSecond)},
                                                    {1, inRange<int64_t>(kSecond, 5 * kSecond)}})));
}

class Story {
 public:
  Story(size_t quotads, EngineOptions options, int64_t burst_milli)
      : world_(quotads, options), burst_milli_(burst_milli) {
    for (size_t i = 0; i < quotads; ++i) world_.crash(i, i % 2 == 0 ? -10'000 : 10'000);
  }

  World& world() { return world_; }

  void play(const Step& step) {
    world_.pass(step.us);
    world_.check();
    Quotad& quotad = world_[step.who % world_.size()];
    const uint32_t what = step.what;
    switch (step.event) {
      case Event::kAsk:
        ask(quotad, what);
        break;
      case Event::kServe:
        quotad.serve();
        break;
      case Event::kSend:
        quotad.send();
        break;
      case Event::kExecute:
        if (quotad.calls() > 0) quotad.execute(what % quotad.calls());
        break;
      case Event::kExecuteTwice:
        if (quotad.calls() > 0) quotad.execute_twice(what % quotad.calls());
        break;
      case Event::kDeliver:
        if (quotad.answers() > 0) quotad.deliver(what % quotad.answers());
        break;
      case Event::kDrop:
        if (quotad.calls() > 0) quotad.drop(what % quotad.calls());
        break;
      case Event::kUnheard:
        if (quotad.calls() > 0) quotad.execute_unheard(what % quotad.calls());
        break;
      case Event::kLate:
        if (world_.lost_calls() > 0) world_.execute_lost(what % world_.lost_calls());
        break;
      case Event::kTend:
        quotad.tend();
        break;
      case Event::kCrash:
        world_.crash(step.who % world_.size(), int64_t{what % 20'001} - 10'000);
        break;
      case Event::kClose:
        quotad.close();
        while (quotad.calls() > 0) quotad.execute(0);
        world_.crash(step.who % world_.size(), int64_t{what % 20'001} - 10'000);
        break;
      case Event::kReset:
        quotad.engine().reset(subject(what), false, 1, quotad.now());
        break;
      case Event::kClockBack:
        world_.behind_us += what * 100;
        break;
      case Event::kLimit:
        minute_ = std::array<int64_t, 4>{60'000, 60'000, 90'007, 600'000}[what % 4];
        break;
      case Event::kMonthEnds:
        world_.pass(31 * 86'400 * kSecond);
        break;
      case Event::kEmpty:
        // Somebody who knew its marker is left to notice.
        world_.empty_redis();
        quotad.connect();
        break;
      case Event::kRollBack:
        if (what % 3 == 0) world_.roll_back();
        if (what % 3 != 0) world_.snapshot();
        break;
    }
    world_.check();
  }

 private:
  static std::string subject(uint32_t what) { return "c:" + std::to_string(what % 3); }

  // Often several at once, as a busy consumer does.
  void ask(Quotad& quotad, uint32_t what) {
    const std::string name = subject(what);
    Charge charge{.subject = name,
                  .limits = {minute_, 300'000},
                  .burst_milli = burst_milli_,
                  .cost = 1'000 * (1 + what / 8 % 3),
                  .peek = what % 29 == 0,
                  .store_lost = policy::StoreLost::kDeny};
    if (what % 5 == 0) charge.limits.month = -1;
    if (what % 31 == 0) charge.limits = {-1, 300'000};
    for (uint32_t i = 0; i <= what / 32 % 12; ++i) quotad.ask(charge);
  }

  World world_;
  const int64_t burst_milli_;
  int64_t minute_ = 60'000;
};

void nothing_is_violated(bool loses_data) {
  const auto quotads = *rc::gen::inRange<size_t>(1, 5);
  const EngineOptions options{.max_subjects = *rc::gen::element<int64_t>(2, 100),
                              .exact = *rc::gen::weightedElement<bool>({{4, false}, {1, true}})};
  const auto burst_milli = *rc::gen::element<int64_t>(1000, 1500, 2250);
  const auto steps = *rc::gen::resize(400, rc::gen::container<std::vector<Step>>(step(loses_data)));
  Story story(quotads, options, burst_milli);
  for (const Step& one : steps) {
    story.play(one);
    if (!story.world().violation().empty()) RC_FAIL(story.world().violation());
  }
}

RC_GTEST_PROP(LeaseProperty, NothingIsViolatedWhateverHappensToCallsClocksAndProcesses, ()) {
  nothing_is_violated(false);
}

RC_GTEST_PROP(LeaseProperty, NothingIsViolatedWhenRedisLosesData, ()) { nothing_is_violated(true); }

}  // namespace
}  // namespace quota::store
