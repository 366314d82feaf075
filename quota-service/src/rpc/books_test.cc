#include "rpc/books.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "quota/v1/quota.pb.h"
#include "rpc/decider.h"
#include "rpc/test_parts.h"

namespace quota::rpc {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using usage::Amount;
using usage::Row;

constexpr int64_t kDayUs = 86'400'000'000;

auto row(const std::string& consumer, const std::string& endpoint, Amount amount) {
  return AllOf(Field(&Row::key, Field(&usage::Key::consumer, consumer)),
               Field(&Row::key, Field(&usage::Key::endpoint, endpoint)),
               Field(&Row::amount, amount));
}

class NoWakeUp final : public WakeUp {
 public:
  void wake_soon() override {}
  void wake_in(int64_t) override {}
};

class CountingCall final : public LateVerdicts {
 public:
  void deliver(const VerdictFacts&, const engine::Decision&) override { ++delivered; }
  int delivered = 0;
};

// A decider with all its books, for consumers that are believed.
class BooksTest : public testing::Test {
 protected:
  BooksTest() { decider_.use(wake_up_); }

  v1::Check check(const std::string& consumer, const std::string& path = "/compare") {
    v1::Check check;
    check.set_method("GET");
    check.set_path(path);
    check.set_consumer(consumer);
    check.set_client_ip(std::string("\xc0\x00\x02\x01", 4));
    return check;
  }
  bool send(const std::string& bytes) {
    std::string answer;
    return decider_.decide_batch(bytes, answer, call_, waiting_);
  }
  void send(const std::vector<v1::Check>& checks) {
    v1::DecideRequest request;
    for (const v1::Check& each : checks) *request.add_checks() = each;
    EXPECT_TRUE(send(request.SerializeAsString()));
    parts_.source.answer_all(now_.mono_us);
    decider_.wake();
  }
  std::vector<events::Kind> kinds() {
    std::vector<events::Kind> found;
    tap_->drain([&](const events::Event& event) { found.push_back(event.kind); });
    return found;
  }

  test::Parts parts_;
  Now now_{.mono_us = 1'000'000'000, .unix_us = 20'000 * kDayUs};
  NoWakeUp wake_up_;
  std::shared_ptr<CountingCall> call_ = std::make_shared<CountingCall>();
  std::shared_ptr<usage::Meter> meter_ = std::make_shared<usage::Meter>();
  std::shared_ptr<events::Tap> tap_ = std::make_shared<events::Tap>(
      events::TapOptions{.sample_allowed = 1, .most_denials = 100, .tell_thresholds = true});
  uint64_t waiting_ = 0;
  Decider decider_{parts_.engine,
                   parts_.live,
                   parts_.directory,
                   {.counters = parts_.counters, .meter = meter_, .tap = tap_},
                   {.clock = [this] { return now_; }}};
};

TEST_F(BooksTest, WhatIsDecidedAtOnceAndWhatIsDecidedLaterIsMeteredAlike) {
  send({check("acme")});  // waits for its look-up
  EXPECT_EQ(call_->delivered, 1);
  EXPECT_THAT(meter_->fetch(), ElementsAre(row("acme", "/compare", {1, 0, 2000})));
  send({check("acme"), check("acme", "/other")});
  EXPECT_EQ(call_->delivered, 1);
  EXPECT_THAT(meter_->fetch(), UnorderedElementsAre(row("acme", "/compare", {1, 0, 2000}),
                                                    row("acme", "default", {1, 0, 1000})));
}

TEST_F(BooksTest, WhatWaitsForTheStoreIsMeteredWhenItIsDecided) {
  parts_.source.records.push_back(identity::test::consumer("globex", "monthly"));
  send({check("globex")});
  EXPECT_THAT(meter_->fetch(), IsEmpty());
  parts_.store.answer(now_);
  EXPECT_EQ(call_->delivered, 1);
  EXPECT_THAT(meter_->fetch(), ElementsAre(row("globex", "/compare", {1, 0, 2000})));
}

TEST_F(BooksTest, EveryDecisionIsTimedOnce) {
  parts_.source.records.push_back(identity::test::consumer("globex", "monthly"));
  send({check("acme"), check("globex"), check(""), check("")});  // two wait for a look-up
  parts_.store.answer(now_);
  telemetry::DecisionTotals totals;
  parts_.counters->add_to(totals);
  uint64_t counted = 0;
  for (const auto& [labels, decisions] : totals.decisions) counted += decisions;
  EXPECT_EQ(counted, 4u);
  EXPECT_EQ(std::accumulate(totals.durations.begin(), totals.durations.end(), uint64_t{0}), 4u);
  EXPECT_EQ(totals.batch_sum, 4u);
}

TEST_F(BooksTest, AnonymousClientsAreOneAccountAndDenialsCostNothing) {
  v1::Check many = check("");
  many.set_hits(16);  // of 30 a minute, at 2 each
  send({many, check("")});
  EXPECT_THAT(meter_->fetch(), ElementsAre(row("", "/compare", {17, 16, 2000})));
}

TEST_F(BooksTest, APeekIsNoUse) {
  v1::Check peek = check("acme");
  peek.set_peek(true);
  send({peek});
  send({peek});
  EXPECT_THAT(meter_->fetch(), IsEmpty());
  EXPECT_THAT(kinds(), IsEmpty());
}

TEST_F(BooksTest, ABrokenBatchKeepsNobodyFromFetching) {
  v1::DecideRequest request;
  *request.add_checks() = check("");
  EXPECT_FALSE(send(request.SerializeAsString() + "\x0a\x05not"));
  EXPECT_THAT(meter_->fetch(), ElementsAre(row("", "/compare", {1, 0, 2000})))
      << "what was decided before the fault stays decided";
}

TEST_F(BooksTest, ADenialIsAnEventAndTheFirstOneIsTold) {
  send({check("acme")});
  EXPECT_THAT(kinds(), ElementsAre(events::Kind::kDecision));
  v1::Check all = check("acme");
  all.set_hits(1000);
  send({all, all});
  EXPECT_THAT(kinds(), ElementsAre(events::Kind::kDecision, events::Kind::kFirstDenial,
                                   events::Kind::kDecision));
}

TEST_F(BooksTest, ANewPolicyIsCountedUnderItsOwnNames) {
  send({check("acme")});
  parts_.write("reject");
  send({check("acme")});
  const std::vector<Row> rows = meter_->fetch();
  Amount sum;
  for (const Row& each : rows) sum += each.amount;
  EXPECT_EQ(sum, (Amount{2, 0, 4000}));
}

}  // namespace
}  // namespace quota::rpc
