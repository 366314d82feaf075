#include "events/pump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "events/pump_thread.h"
#include "events/test_events.h"
#include "telemetry/logging.h"

namespace quota::events {
namespace {

using test::Asked;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

constexpr int64_t kSecond = 1'000'000;

class Kept final : public Sink {
 public:
  void write(const std::vector<std::string>& events) override { batches.push_back(events); }
  Stats stats() const override { return {}; }
  std::vector<std::vector<std::string>> batches;
};

class Board final : public Noticeboard {
 public:
  void put_up(std::string notice, int64_t ttl_ms, std::function<void(Answer)> answered) override {
    notices.emplace_back(std::move(notice), ttl_ms);
    waiting.push_back(std::move(answered));
  }
  std::vector<std::pair<std::string, int64_t>> notices;
  std::vector<std::function<void(Answer)>> waiting;
};

class PumpTest : public ::testing::Test {
 protected:
  Pump make(PumpOptions options, Noticeboard* board = nullptr) {
    return Pump(options,
                {.renderer = renderer_,
                 .history = history_,
                 .sink = &sink_,
                 .noticeboard = board,
                 .threshold = [this](std::string line) { told_.push_back(std::move(line)); }},
                {tap_, other_tap_});
  }
  Now now() const { return {.mono_us = mono_us_, .unix_us = 1'795'000'000 * kSecond + mono_us_}; }
  void note(const engine::Decision& decision, Tap* tap = nullptr) {
    Asked asked("acme");
    asked.note(tap == nullptr ? *tap_ : *tap, decision, now().unix_us);
  }
  std::vector<std::string> history() const { return history_.read({}).lines; }

  static TapOptions taps() {
    return {.sample_allowed = 1, .most_denials = 100, .slow_us = 20'000, .log_denials = true};
  }
  static TapOptions thresholds() { return {.tell_thresholds = true}; }

  int64_t mono_us_ = 5 * kSecond;
  Renderer renderer_{Privacy::kFull, "key"};
  History history_;
  Kept sink_;
  std::vector<std::string> told_;
  std::shared_ptr<Tap> tap_ = std::make_shared<Tap>(taps());
  std::shared_ptr<Tap> other_tap_ = std::make_shared<Tap>(taps());
};

TEST_F(PumpTest, PassesOnWhatTheTapsHaveInBatches) {
  Pump pump = make({.batch = 2, .most_denials = 100});
  for (int i = 0; i < 2; ++i) note(test::allowed());
  note(test::denied(), other_tap_.get());
  pump.drain(now());
  EXPECT_THAT(sink_.batches, ElementsAre(SizeIs(2), SizeIs(1)));
  EXPECT_THAT(history(), SizeIs(3));
  EXPECT_THAT(sink_.batches[1][0], HasSubstr(R"("outcome":"denied")"));
  EXPECT_EQ(history()[2], sink_.batches[1][0]);
  pump.drain(now());
  EXPECT_THAT(sink_.batches, SizeIs(2));
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(PumpTest, HoldsAllThreadsTogetherToTheCapOfDenials) {
  Pump pump = make({.most_denials = 5});
  for (int i = 0; i < 4; ++i) {
    note(test::denied());
    note(test::denied(), other_tap_.get());
  }
  note(test::allowed());
  pump.drain(now());
  EXPECT_THAT(history(), SizeIs(6));
  EXPECT_EQ(pump.stats().capped, 3U);
  mono_us_ += kSecond;
  note(test::denied());
  pump.drain(now());
  EXPECT_THAT(history(), SizeIs(7));
}

TEST_F(PumpTest, LogsADenialEachSecondOverAllThreadsWithItsTrace) {
  telemetry::set_up_logging("info", "text");
  Pump pump = make({.most_denials = 100});
  CaptureStderr();
  for (int i = 0; i < 3; ++i) {
    note(test::denied());
    note(test::denied(), other_tap_.get());
  }
  pump.drain(now());
  mono_us_ += kSecond;
  note(test::denied());
  pump.drain(now());
  const std::string log = GetCapturedStderr();
  const size_t end = log.find('\n');
  EXPECT_THAT(log.substr(0, end),
              AllOf(HasSubstr(" info denial: outcome=denied reason=minute consumer=acme"),
                    HasSubstr("trace_id=4bf92f3577b34da6a3ce929d0e0e4736"), HasSubstr("left_out=0"),
                    Not(HasSubstr("kind"))));
  // Two of this thread, and the first of the other one.
  EXPECT_THAT(log.substr(end + 1), HasSubstr("left_out=3"));
  EXPECT_EQ(std::ranges::count(log, '\n'), 2);
}

TEST_F(PumpTest, LogsASlowDecisionAsAWarning) {
  telemetry::set_up_logging("info", "text");
  Pump pump = make({.slow_us = 20'000});
  for (const int64_t waited : {20'000, 20'001, 30'000}) {
    Event event = Asked("acme").event();
    tap_->note_late(event, test::allowed(), now().unix_us, waited);
  }
  CaptureStderr();
  pump.drain(now());
  const std::string log = GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr(" warn"));
  EXPECT_THAT(log, HasSubstr("slow decision: outcome=allowed"));
  EXPECT_THAT(log, HasSubstr("waited_us=20001"));
  EXPECT_EQ(std::ranges::count(log, '\n'), 1);
}

TEST_F(PumpTest, SaysThatEventsWereDroppedOnceASecond) {
  telemetry::set_up_logging("info", "text");
  tap_ = std::make_shared<Tap>(TapOptions{.sample_allowed = 1, .ring = 2});
  Pump pump = make({});
  CaptureStderr();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5; ++i) note(test::allowed());
    pump.drain(now());
    mono_us_ += kSecond / 2;
  }
  const std::string log = GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(log, '\n'), 2);
  EXPECT_THAT(log, HasSubstr("3 events were dropped"));
  EXPECT_THAT(log, HasSubstr("6 events were dropped"));
  EXPECT_EQ(pump.stats().dropped, 9U);
}

TEST_F(PumpTest, TellsAThresholdOnceForAllThreads) {
  tap_ = std::make_shared<Tap>(thresholds());
  other_tap_ = std::make_shared<Tap>(thresholds());
  Pump pump = make({});
  for (Tap* tap : {tap_.get(), other_tap_.get()}) {
    note(test::month(1000, 200), tap);
    note(test::month(1000, 0), tap);
    note(test::denied(), tap);
  }
  pump.drain(now());
  EXPECT_THAT(
      told_, ElementsAre(HasSubstr("month_80"), HasSubstr("month_100"), HasSubstr("first_denial")));
  EXPECT_THAT(history(), ElementsAre(told_[0], told_[1], told_[2]));
  EXPECT_THAT(told_[0], Not(HasSubstr("unconfirmed")));
  EXPECT_EQ(pump.stats().month_80, 1U);
  EXPECT_EQ(pump.stats().month_100, 1U);
  EXPECT_EQ(pump.stats().first_denials, 1U);
}

class NoticeTest : public PumpTest {
 protected:
  NoticeTest() { tap_ = std::make_shared<Tap>(thresholds()); }
  Board board_;
};

TEST_F(NoticeTest, AThresholdIsToldWhenItIsTheFirstOfAllQuotads) {
  Pump pump = make({}, &board_);
  note(test::month(1000, 200));
  pump.drain(now());
  EXPECT_THAT(told_, IsEmpty());
  ASSERT_THAT(board_.notices, SizeIs(1));
  EXPECT_EQ(board_.notices[0].first, "month_80:acme:1796083200");
  board_.waiting[0](Noticeboard::Answer::kFirst);
  pump.drain(now());
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_THAT(told_[0], Not(HasSubstr("unconfirmed")));
}

TEST_F(NoticeTest, AThresholdThatAnotherQuotadToldIsNot) {
  Pump pump = make({}, &board_);
  note(test::denied());
  pump.drain(now());
  ASSERT_THAT(board_.notices,
              ElementsAre(std::pair<std::string, int64_t>("first_denial:acme", 600'000)));
  board_.waiting[0](Noticeboard::Answer::kTold);
  pump.drain(now());
  pump.finish(now());
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_EQ(pump.stats().first_denials, 0U);
}

TEST_F(NoticeTest, WhereNobodyCanBeAskedItIsToldAndMarked) {
  Pump pump = make({}, &board_);
  note(test::denied());
  pump.drain(now());
  board_.waiting[0](Noticeboard::Answer::kUnknown);
  pump.drain(now());
  EXPECT_THAT(told_, ElementsAre(HasSubstr(R"("unconfirmed":true)")));
}

TEST_F(NoticeTest, TheEndDoesNotWaitForAnswers) {
  {
    Pump pump = make({}, &board_);
    note(test::denied());
    pump.finish(now());
    EXPECT_THAT(told_, ElementsAre(HasSubstr(R"("unconfirmed":true)")));
  }
  board_.waiting[0](Noticeboard::Answer::kFirst);  // nobody is there any more
  EXPECT_THAT(told_, SizeIs(1));
}

TEST_F(NoticeTest, NoMoreWaitThanMay) {
  Pump pump = make({.most_pending = 1}, &board_);
  note(test::month(1000, 200));
  note(test::denied());
  pump.drain(now());
  EXPECT_THAT(board_.notices, SizeIs(1));
  EXPECT_THAT(told_, ElementsAre(HasSubstr("first_denial")));
}

TEST_F(PumpTest, AThreadPassesOnAllThatThereWasBeforeItsEnd) {
  Pump pump = make({});
  PumpThread thread(pump, std::chrono::hours(1));
  note(test::allowed());
  thread.stop();
  EXPECT_THAT(history(), SizeIs(1));
}

TEST_F(PumpTest, AThreadWorksWhileOthersDecide) {
  tap_ = std::make_shared<Tap>(TapOptions{.sample_allowed = 1, .ring = 64});
  Pump pump = make({});
  PumpThread thread(pump, std::chrono::milliseconds(1));
  constexpr uint64_t kMany = 20'000;
  for (uint64_t i = 0; i < kMany; ++i) note(test::allowed());
  thread.stop();
  EXPECT_EQ(history_.read({.newest = true}).next + pump.stats().dropped, kMany);
}

}  // namespace
}  // namespace quota::events
