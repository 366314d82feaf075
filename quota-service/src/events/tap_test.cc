#include "events/tap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "events/test_events.h"

namespace quota::events {
namespace {

using engine::Decision;
using test::Asked;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'795'000'000 * kSecond;

std::vector<Event> drained(Tap& tap) {
  std::vector<Event> events;
  tap.drain([&](const Event& event) { events.push_back(event); });
  return events;
}

std::vector<Kind> kinds(const std::vector<Event>& events) {
  std::vector<Kind> kinds;
  for (const Event& event : events) kinds.push_back(event.kind);
  return kinds;
}

TEST(TapTest, WritesDownWhatADecisionWasAbout) {
  Tap tap({.most_denials = 10});
  Asked asked("acme");
  asked.check.hits = 3;
  Decision decision = test::denied();
  decision.retry_after_us = 1500;
  decision.degraded = true;
  asked.note(tap, decision, kStart, 6000);
  const auto events = drained(tap);
  ASSERT_THAT(events, SizeIs(1));
  const Event& event = events[0];
  EXPECT_EQ(event.kind, Kind::kDecision);
  EXPECT_TRUE(event.is_wanted);
  EXPECT_FALSE(event.is_logged);
  EXPECT_EQ(event.get(Event::Field::kConsumer), "acme");
  EXPECT_EQ(event.get(Event::Field::kTier), "pro");
  EXPECT_EQ(event.get(Event::Field::kEndpoint), "/identify");
  EXPECT_EQ(event.get(Event::Field::kMethod), "GET");
  EXPECT_EQ(event.get(Event::Field::kPath), "/identify");
  EXPECT_EQ(event.get(Event::Field::kClientIp), std::string_view("\x0a\0\0\1", 4));
  EXPECT_EQ(event.get(Event::Field::kTrace), test::kTraceparent);
  EXPECT_EQ(event.outcome, engine::Outcome::kDenied);
  EXPECT_EQ(event.reason, engine::Reason::kMinute);
  EXPECT_EQ(event.cost_milli, 6000);
  EXPECT_EQ(event.hits, 3U);
  EXPECT_EQ(event.unix_us, kStart);
  EXPECT_EQ(event.waited_us, 0);
  EXPECT_EQ(event.retry_after_us, 1500);
  EXPECT_TRUE(event.degraded);
}

TEST(TapTest, CutsOffWhatIsTooLong) {
  Tap tap({.most_denials = 10});
  Asked asked("acme");
  const std::string path(100'000, 'x');
  asked.check.path = path;
  asked.note(tap, test::denied(), kStart);
  const auto events = drained(tap);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].get(Event::Field::kPath), std::string(256, 'x'));
  EXPECT_EQ(events[0].get(Event::Field::kTrace), test::kTraceparent);
}

TEST(TapTest, MakesNoAddressOrTraceOfTheBeginningOfSomethingElse) {
  Tap tap({.most_denials = 10});
  Asked asked("acme");
  const std::string trace = std::string(test::kTraceparent) + "-00";
  asked.check.client_ip = "what a stranger sends";
  asked.check.attributes = {{"traceparent", trace}};
  asked.note(tap, test::denied(), kStart);
  const auto events = drained(tap);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].get(Event::Field::kClientIp), "");
  EXPECT_EQ(events[0].get(Event::Field::kTrace), "");
}

TEST(TapTest, SamplesWhatIsAllowedAtItsRate) {
  Tap tap({.sample_allowed = 0.1, .ring = 1 << 16}, 42);
  Asked asked("acme");
  for (int i = 0; i < 100'000; ++i) asked.note(tap, test::allowed(), kStart);
  // 10,000 expected; the standard deviation is 95.
  EXPECT_NEAR(static_cast<double>(drained(tap).size()), 10'000, 500);
}

TEST(TapTest, SamplesAllOrNothingAtTheEnds) {
  Asked asked("acme");
  Tap none({.sample_allowed = 0});
  Tap all({.sample_allowed = 1});
  for (int i = 0; i < 1000; ++i) {
    asked.note(none, test::allowed(), kStart);
    asked.note(all, test::allowed(), kStart);
  }
  EXPECT_THAT(drained(none), IsEmpty());
  EXPECT_THAT(drained(all), SizeIs(1000));
}

TEST(TapTest, TellsEveryDenialUpToItsCap) {
  Tap tap({.most_denials = 5});
  Asked asked("acme");
  for (int i = 0; i < 8; ++i) asked.note(tap, test::denied(), kStart);
  EXPECT_THAT(drained(tap), SizeIs(5));
  EXPECT_EQ(tap.stats().capped, 3U);
  asked.note(tap, test::denied(), kStart + kSecond);
  EXPECT_THAT(drained(tap), SizeIs(1));
}

TEST(TapTest, AShadowDenialIsADenial) {
  Tap tap({.most_denials = 5});
  Asked asked("acme");
  Decision decision = test::allowed();
  decision.shadow = true;
  asked.note(tap, decision, kStart);
  EXPECT_THAT(drained(tap), SizeIs(1));
}

TEST(TapTest, LogsOneDenialEachSecondAndCountsTheRest) {
  Tap tap({.log_denials = true});
  Asked asked("acme");
  for (int i = 0; i < 4; ++i) asked.note(tap, test::denied(), kStart);
  asked.note(tap, test::denied(), kStart + kSecond);
  const auto events = drained(tap);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_TRUE(events[0].is_logged);
  EXPECT_FALSE(events[0].is_wanted);
  EXPECT_EQ(events[0].left_out, 0U);
  EXPECT_EQ(events[1].left_out, 3U);
}

TEST(TapTest, ALogLineThatFoundNoRoomIsCountedByTheNext) {
  Tap tap({.log_denials = true, .ring = 2});
  Asked asked("acme");
  for (int second = 0; second < 4; ++second) {
    asked.note(tap, test::denied(), kStart + second * kSecond);
  }
  EXPECT_THAT(drained(tap), SizeIs(2));
  EXPECT_EQ(tap.stats().dropped, 2U);
  asked.note(tap, test::denied(), kStart + 4 * kSecond);
  const auto events = drained(tap);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].left_out, 2U);
}

TEST(TapTest, DropsAndCountsWhatFindsNoRoom) {
  Tap tap({.sample_allowed = 1, .ring = 8});
  Asked asked("acme");
  for (int i = 0; i < 20; ++i) asked.note(tap, test::allowed(), kStart);
  EXPECT_EQ(tap.stats().dropped, 12U);
  EXPECT_THAT(drained(tap), SizeIs(8));
}

TEST(TapTest, TellsOfAMonthAtFourFifthsAndAtItsEndOnce) {
  Tap tap({.tell_thresholds = true});
  Asked asked("acme");
  for (const int64_t remaining : {201, 200, 150, 1, 0, 0}) {
    asked.note(tap, test::month(1000, remaining), kStart);
  }
  const auto events = drained(tap);
  EXPECT_THAT(kinds(events), ElementsAre(Kind::kMonth80, Kind::kMonth100));
  EXPECT_EQ(events[0].month.remaining, 200);
}

TEST(TapTest, ADenialForTheMonthIsItsEnd) {
  Tap tap({.tell_thresholds = true});
  Asked asked("acme");
  Decision decision = test::month(1000, 1);
  decision.outcome = engine::Outcome::kDenied;
  decision.reason = engine::Reason::kMonth;
  asked.note(tap, decision, kStart);
  EXPECT_THAT(kinds(drained(tap)), ElementsAre(Kind::kFirstDenial, Kind::kMonth100));
}

TEST(TapTest, ANewMonthIsToldAnew) {
  Tap tap({.tell_thresholds = true});
  Asked asked("acme");
  asked.note(tap, test::month(1000, 0), kStart);
  Decision next = test::month(1000, 100);
  next.month.reset_unix_us += 30 * 86'400 * kSecond;
  asked.note(tap, next, kStart);
  EXPECT_THAT(kinds(drained(tap)), ElementsAre(Kind::kMonth100, Kind::kMonth80));
}

TEST(TapTest, TellsOfTheFirstDenialAfterAQuietWhile) {
  Tap tap({.tell_thresholds = true, .quiet_us = 600 * kSecond});
  Asked asked("acme");
  for (const int64_t second : {0, 1, 500, 1000, 1601}) {
    asked.note(tap, test::denied(), kStart + second * kSecond);
  }
  const auto events = drained(tap);
  ASSERT_THAT(kinds(events), ElementsAre(Kind::kFirstDenial, Kind::kFirstDenial));
  EXPECT_EQ(events[1].unix_us, kStart + 1601 * kSecond);
}

TEST(TapTest, AThresholdThatFoundNoRoomIsToldLater) {
  Tap tap({.sample_allowed = 1, .tell_thresholds = true, .ring = 2});
  Asked asked("acme");
  for (int i = 0; i < 2; ++i) asked.note(tap, test::allowed(), kStart);
  Decision decision = test::month(1000, 0);
  decision.outcome = engine::Outcome::kDenied;
  decision.reason = engine::Reason::kMonth;
  asked.note(tap, decision, kStart);
  EXPECT_THAT(kinds(drained(tap)), ElementsAre(Kind::kDecision, Kind::kDecision));
  asked.note(tap, decision, kStart);
  EXPECT_THAT(kinds(drained(tap)), ElementsAre(Kind::kFirstDenial, Kind::kMonth100));
}

TEST(TapTest, ThresholdsAreOfConsumersOnly) {
  Tap tap({.tell_thresholds = true});
  Asked asked("");
  asked.note(tap, test::denied(), kStart);
  EXPECT_THAT(drained(tap), IsEmpty());
}

TEST(TapTest, ALateDecisionSaysHowLongItTookAndIsLoggedWhenThatIsLong) {
  Tap tap({.slow_us = 20'000});
  Asked asked("acme");
  Event event = asked.event();
  tap.note_late(event, test::allowed(), kStart, 20'000);
  EXPECT_THAT(drained(tap), IsEmpty());
  tap.note_late(event, test::allowed(), kStart, 20'001);
  const auto events = drained(tap);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_TRUE(events[0].is_logged);
  EXPECT_FALSE(events[0].is_wanted);
  EXPECT_EQ(events[0].waited_us, 20'001);
  EXPECT_EQ(events[0].get(Event::Field::kConsumer), "acme");
}

TEST(TapTest, LateDenialsTellAThresholdOfAConsumerOnceBetweenDrains) {
  Tap tap({.tell_thresholds = true});
  Asked acme("acme");
  Asked beta("beta");
  for (int i = 0; i < 3; ++i) {
    for (Asked* asked : {&acme, &beta}) {
      Event event = asked->event();
      tap.note_late(event, test::denied(), kStart, 10);
    }
  }
  EXPECT_THAT(kinds(drained(tap)), ElementsAre(Kind::kFirstDenial, Kind::kFirstDenial));
  Event event = acme.event();
  tap.note_late(event, test::denied(), kStart, 10);
  EXPECT_THAT(drained(tap), SizeIs(1));
}

TEST(TapTest, LateDecisionsComeInTheirOrderAmongTheOthers) {
  Tap tap({.sample_allowed = 1});
  Asked asked("acme");
  const auto late = [&](int64_t unix_us) {
    Event event = asked.event();
    tap.note_late(event, test::allowed(), unix_us, 10);
  };
  asked.note(tap, test::allowed(), 2);
  asked.note(tap, test::allowed(), 4);
  for (const int64_t unix_us : {1, 3, 4, 5}) late(unix_us);
  std::vector<int64_t> times;
  for (const Event& event : drained(tap)) times.push_back(event.unix_us);
  EXPECT_THAT(times, ElementsAre(1, 2, 3, 4, 4, 5));
}

TEST(TapTest, LateDecisionsAreBoundedToo) {
  Tap tap({.sample_allowed = 1, .most_late = 4});
  Asked asked("acme");
  for (int i = 0; i < 6; ++i) {
    Event event = asked.event();
    tap.note_late(event, test::allowed(), kStart, 10);
  }
  EXPECT_THAT(drained(tap), SizeIs(4));
  EXPECT_EQ(tap.stats().dropped, 2U);
}

TEST(TapTest, IsDrainedWhileItIsWrittenTo) {
  Tap tap({.sample_allowed = 1, .most_denials = 1'000'000, .ring = 64, .most_late = 64});
  constexpr uint64_t kMany = 20'000;
  std::atomic<int> writing = 2;
  std::thread at_once([&] {
    Asked asked("acme");
    for (uint64_t i = 0; i < kMany; ++i) asked.note(tap, test::denied(), kStart);
    --writing;
  });
  std::thread late([&] {
    Asked asked("beta");
    for (uint64_t i = 0; i < kMany; ++i) {
      Event event = asked.event();
      tap.note_late(event, test::allowed(), kStart, 10);
    }
    --writing;
  });
  uint64_t seen = 0;
  const auto drain = [&] {
    tap.drain([&](const Event& event) {
      const auto who = event.get(Event::Field::kConsumer);
      ASSERT_TRUE(who == "acme" || who == "beta");
      ++seen;
    });
  };
  while (writing > 0) drain();
  at_once.join();
  late.join();
  drain();
  EXPECT_EQ(seen + tap.stats().dropped, 2 * kMany);
}

}  // namespace
}  // namespace quota::events
