#include "rpc/books.h"

#include <gtest/gtest.h>

#include "quota/v1/quota.pb.h"
#include "rpc/decider.h"
#include "rpc/test_parts.h"

namespace quota::rpc {
namespace {

class Nobody final : public LateVerdicts {
 public:
  void deliver(const VerdictFacts&, const engine::Decision&) override { ++delivered; }
  int delivered = 0;
};

// What a decider notes about the checks that it decides.
class BooksTest : public testing::Test {
 protected:
  void send(const std::string& consumer, bool peek = false, uint32_t hits = 1) {
    quota::v1::DecideRequest request;
    quota::v1::Check& check = *request.add_checks();
    check.set_path("/compare");
    check.set_consumer(consumer);
    check.set_peek(peek);
    check.set_hits(hits);
    std::string answer;
    uint64_t waiting = 0;
    EXPECT_TRUE(decider_.decide_batch(request.SerializeAsString(), answer, late_, waiting));
  }
  usage::Sums used() {
    usage::Sums sums;
    for (const usage::Row& row : meter_->fetch()) sums[row.key] += row.amount;
    return sums;
  }
  void know(const std::string& id, const std::string& tier) {
    parts_.directory.look_up(id, now_.mono_us, nullptr);
    parts_.source.records.push_back(identity::test::consumer(id, tier));
    parts_.source.answer_all(now_.mono_us);
  }

  test::Parts parts_;
  Now now_{.mono_us = 1'000'000'000, .unix_us = 20'000 * int64_t{86'400'000'000}};
  std::shared_ptr<usage::Meter> meter_ = std::make_shared<usage::Meter>();
  std::shared_ptr<Nobody> late_ = std::make_shared<Nobody>();
  Decider decider_{parts_.engine,
                   parts_.live,
                   parts_.directory,
                   {.counters = parts_.counters, .meter = meter_},
                   {.clock = [this] { return now_; }}};
};

TEST_F(BooksTest, WhatIsDecidedAtOnceIsMeteredAndAPeekIsNot) {
  know("acme", "pro");
  send("acme", false, 3);
  send("acme", true);
  send("acme", false, 1000);
  EXPECT_EQ(used(), (usage::Sums{{{"acme", "/compare", 20'000},
                                  {.requests = 1003, .denials = 1000, .cost_milli = 6000}}}));
}

TEST_F(BooksTest, WhatIsDecidedLaterIsMeteredThen) {
  know("globex", "monthly");
  send("globex");
  EXPECT_TRUE(used().empty());
  parts_.store.answer(now_);
  EXPECT_EQ(late_->delivered, 1);
  const usage::Sums sums = used();
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums.begin()->first.consumer, "globex");
  EXPECT_EQ(sums.begin()->second, (usage::Amount{.requests = 1, .denials = 0, .cost_milli = 2000}));
}

TEST_F(BooksTest, APolicyThatChangesBetweenTwoBatchesLosesNothing) {
  know("acme", "pro");
  send("acme");
  parts_.write("reject");
  send("acme");
  EXPECT_EQ(used().begin()->second.requests, 2u);
}

}  // namespace
}  // namespace quota::rpc
