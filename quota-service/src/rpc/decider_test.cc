#include "rpc/decider.h"

#include <gtest/gtest.h>

#include "quota/v1/quota.pb.h"
#include "rpc/test_parts.h"

namespace quota::rpc {
namespace {

constexpr int64_t kMs = 1000;

class FakeWakeUp final : public WakeUp {
 public:
  void wake_soon() override { ++soon; }
  void wake_in(int64_t us) override { in.push_back(us); }
  int soon = 0;
  std::vector<int64_t> in;
};

class FakeCall final : public LateVerdicts {
 public:
  void deliver(const VerdictFacts& facts, const engine::Decision& decision) override {
    std::string bytes;
    append_verdict(bytes, facts, decision);
    EXPECT_TRUE(verdicts.emplace_back().ParseFromString(bytes));
  }
  std::vector<quota::v1::Verdict> verdicts;
};

class DeciderTest : public testing::Test {
 protected:
  DeciderTest() { decider_.use(wake_up_); }

  // The verdicts that are known at once.
  std::vector<quota::v1::Verdict> send(const std::vector<quota::v1::Check>& checks) {
    quota::v1::DecideRequest request;
    for (const auto& check : checks) *request.add_checks() = check;
    std::string answer;
    EXPECT_TRUE(decider_.decide_batch(request.SerializeAsString(), answer, call_, waiting_));
    quota::v1::DecideResponse response;
    EXPECT_TRUE(response.ParseFromString(answer));
    EXPECT_TRUE(response.ack());
    return {response.verdicts().begin(), response.verdicts().end()};
  }
  quota::v1::Check with_key(uint64_t id, const std::string& key) {
    quota::v1::Check check;
    check.set_id(id);
    check.set_method("GET");
    check.set_path("/compare");
    check.set_client_ip(std::string("\xc0\x00\x02\x01", 4));
    check.set_api_key(key);
    return check;
  }
  void answer() { parts_.source.answer_all(now_.mono_us); }
  const quota::v1::Verdict& late(size_t i = 0) const { return call_->verdicts.at(i); }

  test::Parts parts_;
  Now now_{.mono_us = 1'000'000'000, .unix_us = 1'800'000'000'000'000};
  FakeWakeUp wake_up_;
  std::shared_ptr<FakeCall> call_ = std::make_shared<FakeCall>();
  uint64_t waiting_ = 0;
  Decider decider_{parts_.engine,
                   parts_.live,
                   parts_.directory,
                   {.counters = parts_.counters},
                   {.most_parked = 100, .clock = [this] { return now_; }}};
};

TEST_F(DeciderTest, ACheckWaitsForItsLookupAndIsThenDecided) {
  EXPECT_TRUE(send({with_key(7, "acme key")}).empty());
  EXPECT_EQ(waiting_, 1u);
  EXPECT_EQ(wake_up_.soon, 0);
  answer();
  EXPECT_EQ(wake_up_.soon, 1);
  EXPECT_TRUE(call_->verdicts.empty());
  decider_.wake();
  ASSERT_EQ(call_->verdicts.size(), 1u);
  EXPECT_EQ(late().id(), 7u);
  EXPECT_EQ(late().consumer(), "acme");
  EXPECT_EQ(late().tier(), "pro");
  EXPECT_EQ(late().endpoint(), "/compare");
  EXPECT_EQ(late().cost_milli(), 2000u);
  EXPECT_EQ(late().outcome(), quota::v1::ALLOWED);
  EXPECT_FALSE(late().degraded());
}

TEST_F(DeciderTest, OnlyThoseWaitWhoHaveTo) {
  auto stranger = with_key(2, "");
  stranger.clear_api_key();
  const auto known = send({with_key(1, "acme key"), stranger});
  ASSERT_EQ(known.size(), 1u);
  EXPECT_EQ(known[0].id(), 2u);
  answer();
  EXPECT_EQ(send({with_key(3, "acme key")}).at(0).consumer(), "acme");
  decider_.wake();
  EXPECT_EQ(late().id(), 1u);
}

TEST_F(DeciderTest, AHotKeySharesOneLookup) {
  for (uint64_t id = 1; id <= 50; ++id) send({with_key(id, "acme key")});
  EXPECT_EQ(parts_.source.asked_in_all, 1u);
  answer();
  EXPECT_EQ(wake_up_.soon, 1);
  decider_.wake();
  ASSERT_EQ(call_->verdicts.size(), 50u);
  for (uint64_t id = 1; id <= 50; ++id) EXPECT_EQ(late(id - 1).id(), id);
}

TEST_F(DeciderTest, AnAnswerThatTakesTooLongIsNotWaitedFor) {
  send({with_key(1, "acme key")});
  EXPECT_EQ(wake_up_.in, std::vector{5 * kMs});
  now_.mono_us += 3 * kMs;
  send({with_key(2, "acme key")});
  EXPECT_EQ(wake_up_.in.size(), 1u);
  now_.mono_us += 2 * kMs - 1;
  decider_.wake();
  EXPECT_TRUE(call_->verdicts.empty());
  EXPECT_EQ(wake_up_.in.back(), 1);
  now_.mono_us += 1;
  decider_.wake();
  ASSERT_EQ(call_->verdicts.size(), 1u);
  EXPECT_EQ(late().id(), 1u);
  EXPECT_EQ(late().consumer(), "");
  EXPECT_EQ(late().tier(), "anonymous");
  EXPECT_EQ(late().outcome(), quota::v1::ALLOWED);
  EXPECT_TRUE(late().degraded());
  EXPECT_EQ(wake_up_.in.back(), 3 * kMs);
  answer();
  decider_.wake();
  EXPECT_EQ(late(1).consumer(), "acme");
  EXPECT_FALSE(late(1).degraded());
}

TEST_F(DeciderTest, ALateAnswerIsGoodForTheNextCheck) {
  send({with_key(1, "acme key")});
  now_.mono_us += 5 * kMs;
  decider_.wake();
  answer();
  decider_.wake();
  EXPECT_EQ(call_->verdicts.size(), 1u);
  EXPECT_EQ(send({with_key(2, "acme key")}).at(0).consumer(), "acme");
}

TEST_F(DeciderTest, AFailureIsToldAtOnceAndIsDegraded) {
  parts_.source.is_away = true;
  send({with_key(1, "acme key")});
  answer();
  decider_.wake();
  EXPECT_EQ(late().tier(), "anonymous");
  EXPECT_TRUE(late().degraded());
  const auto next = send({with_key(2, "acme key")});
  ASSERT_EQ(next.size(), 1u);
  EXPECT_TRUE(next[0].degraded());
}

TEST_F(DeciderTest, UnknownCredentialsMayBeRejected) {
  parts_.write("reject");
  send({with_key(1, "acme key"), with_key(2, "no key")});
  parts_.source.asked.erase(parts_.source.asked.begin());
  answer();
  now_.mono_us += 5 * kMs;
  decider_.wake();
  ASSERT_EQ(call_->verdicts.size(), 2u);
  EXPECT_EQ(late(0).id(), 2u);
  EXPECT_EQ(late(0).outcome(), quota::v1::UNAUTHENTICATED);
  EXPECT_FALSE(late(0).degraded());
  EXPECT_EQ(late(1).id(), 1u);
  EXPECT_EQ(late(1).outcome(), quota::v1::UNAUTHENTICATED);
  EXPECT_TRUE(late(1).degraded());
}

TEST_F(DeciderTest, ATrustedConsumerKeepsItsNameWhenItsRecordCannotBeHad) {
  quota::v1::Check check;
  check.set_consumer("acme");
  send({check});
  now_.mono_us += 5 * kMs;
  decider_.wake();
  EXPECT_EQ(late().consumer(), "acme");
  EXPECT_EQ(late().tier(), "free");
  EXPECT_TRUE(late().degraded());
}

TEST_F(DeciderTest, BeyondTheBoundOfParkedChecksNobodyWaits) {
  for (uint64_t id = 1; id <= 100; ++id) EXPECT_TRUE(send({with_key(id, "acme key")}).empty());
  const auto one_more = send({with_key(101, "acme key")});
  ASSERT_EQ(one_more.size(), 1u);
  EXPECT_TRUE(one_more[0].degraded());
  EXPECT_EQ(one_more[0].tier(), "anonymous");
}

TEST_F(DeciderTest, APolicyThatCameMeanwhileDecides) {
  parts_.source.records.clear();
  send({with_key(1, "no key")});
  answer();
  parts_.write("reject");
  decider_.wake();
  EXPECT_EQ(late().outcome(), quota::v1::UNAUTHENTICATED);
}

TEST_F(DeciderTest, ARecordThatChangesJustAfterItsLookupIsLookedUpOnceMore) {
  send({with_key(1, "acme key")});
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(call_->verdicts.empty());
    answer();
    parts_.directory.forget("acme", parts_.source.records[0].api_keys);
    decider_.wake();
  }
  ASSERT_EQ(call_->verdicts.size(), 1u);
  EXPECT_TRUE(late().degraded());
}

TEST_F(DeciderTest, ACheckMayWaitForItsMonthAfterItsLookup) {
  parts_.source.records[0].tier = "monthly";
  send({with_key(1, "acme key")});
  answer();
  decider_.wake();
  EXPECT_TRUE(call_->verdicts.empty());
  parts_.store.answer(now_);
  ASSERT_EQ(call_->verdicts.size(), 1u);
  EXPECT_EQ(late().month().limit(), 50'000u);
  EXPECT_FALSE(late().degraded());
}

TEST_F(DeciderTest, AVerdictIsDegradedAlsoWhenItsMonthCameLate) {
  parts_.source.is_away = true;
  std::ofstream(parts_.path) << "version: 1\n"
                                "default_tier: monthly\n"
                                "tiers: {monthly: {monthly_quota: 50000}}\n"
                                "identity: {trust: [consumer]}\n";
  ASSERT_TRUE(parts_.live.reload().ok());
  quota::v1::Check check;
  check.set_consumer("acme");
  send({check});
  answer();
  decider_.wake();
  parts_.store.answer(now_);
  ASSERT_EQ(call_->verdicts.size(), 1u);
  EXPECT_TRUE(late().degraded());
}

// One that decides, with all that it needs, and what it has answered.
struct Alone {
  explicit Alone(size_t checks_in_a_batch) : at_once(checks_in_a_batch) {
    decider.use(wake_up);
    parts.source.records = {identity::test::consumer("acme", "pro", {"acme key"}),
                            identity::test::consumer("once", "free", {"once key"})};
  }
  void decide(const std::vector<quota::v1::Check>& checks) {
    for (size_t at = 0; at < checks.size();) {
      quota::v1::DecideRequest request;
      for (size_t i = 0; i < at_once && at < checks.size(); ++i)
        *request.add_checks() = checks[at++];
      quota::v1::DecideResponse response;
      std::string bytes;
      EXPECT_TRUE(decider.decide_batch(request.SerializeAsString(), bytes, call, waiting));
      EXPECT_TRUE(response.ParseFromString(bytes));
      for (const auto& verdict : response.verdicts()) known.push_back(verdict.SerializeAsString());
    }
  }

  const size_t at_once;
  test::Parts parts;
  FakeWakeUp wake_up;
  std::shared_ptr<FakeCall> call = std::make_shared<FakeCall>();
  Now now{.mono_us = 1'000'000'000, .unix_us = 1'800'000'000'000'000};
  Decider decider{parts.engine,
                  parts.live,
                  parts.directory,
                  {.counters = parts.counters},
                  {.most_parked = 100, .clock = [this] { return now; }}};
  uint64_t waiting = 0;
  std::vector<std::string> known;
};

// Checks are decided in groups, of which the subjects are held at the same time.
TEST(Batches, AreDecidedAsTheirChecksOneAfterTheOther) {
  std::vector<quota::v1::Check> checks;
  uint64_t state = 1;
  const auto random = [&](uint64_t bound) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % bound;
  };
  for (uint64_t id = 1; id <= 700; ++id) {
    quota::v1::Check& check = checks.emplace_back();
    check.set_id(id);
    check.set_method("GET");
    check.set_path(random(2) == 0 ? "/compare" : "/other");
    check.set_hits(static_cast<uint32_t>(random(3)));
    check.set_peek(random(5) == 0);
    // Some with a bucket of their own, some in one prefix, some without an address.
    std::string ip(random(2) == 0 ? 4 : 16, '\x7f');
    if (ip.size() == 4) ip[3] = static_cast<char>(random(3));
    if (random(10) == 0) ip.clear();
    check.set_client_ip(ip);
    constexpr const char* kKeys[] = {"", "", "acme key", "once key", "no key", "nobody's"};
    check.set_api_key(kKeys[random(6)]);
    if (random(8) == 0) check.set_consumer("consumer-" + std::to_string(random(3)));
  }
  for (const bool is_away : {false, true}) {
    Alone single(1);
    Alone groups(50);
    for (Alone* each : {&single, &groups}) {
      each->decide({checks.begin(), checks.begin() + 20});
      EXPECT_GT(each->waiting, 0u);
      each->parts.source.is_away = is_away;
      each->parts.source.answer_all(each->now.mono_us);
      each->decider.wake();
      each->decide({checks.begin() + 20, checks.end()});
    }
    EXPECT_GT(single.known.size(), 500u);
    EXPECT_EQ(groups.known, single.known);
    EXPECT_EQ(groups.waiting, single.waiting);
  }
}

TEST(Batches, WhatComesBeforeAFaultIsDecided) {
  Alone groups(50);
  quota::v1::DecideRequest request;
  for (uint64_t id = 1; id <= 20; ++id) request.add_checks()->set_id(id);
  std::string bytes;
  EXPECT_FALSE(groups.decider.decide_batch(request.SerializeAsString() + '\n', bytes, groups.call,
                                           groups.waiting));
  quota::v1::DecideResponse response;
  EXPECT_TRUE(response.ParseFromString(bytes));
  EXPECT_FALSE(response.ack());
  ASSERT_EQ(response.verdicts_size(), 20);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(response.verdicts(i).id(), static_cast<uint64_t>(i) + 1);
  EXPECT_EQ(response.verdicts(19).minute().remaining(), 10u);
}

TEST_F(DeciderTest, WithoutAWakeUpNobodyWaits) {
  Decider decider(parts_.engine, parts_.live, parts_.directory, {.counters = parts_.counters});
  quota::v1::CheckRequest request;
  *request.mutable_check() = with_key(1, "acme key");
  std::string bytes;
  EXPECT_EQ(decider.decide_one(request.SerializeAsString(), bytes, call_), Decider::One::kDecided);
}

TEST_F(DeciderTest, AnAnswerAfterTheEndOfTheDeciderIsDropped) {
  {
    Decider decider(parts_.engine, parts_.live, parts_.directory, {.counters = parts_.counters});
    FakeWakeUp wake_up;
    decider.use(wake_up);
    quota::v1::CheckRequest request;
    *request.mutable_check() = with_key(1, "acme key");
    std::string bytes;
    EXPECT_EQ(decider.decide_one(request.SerializeAsString(), bytes, call_),
              Decider::One::kWaiting);
  }
  answer();
  EXPECT_TRUE(call_->verdicts.empty());
}

TEST(OwnedCheck, HoldsEveryFieldItself) {
  std::string text = "mpiaktbnv";
  const auto at = [&](size_t i) { return std::string_view(text).substr(i, 1); };
  identity::Check check{.id = 9,
                        .method = at(0),
                        .path = at(1),
                        .client_ip = at(2),
                        .api_key = at(3),
                        .consumer = at(4),
                        .tier = at(5),
                        .bearer = at(6),
                        .attributes = {{at(7), at(8)}},
                        .hits = 3,
                        .peek = true};
  const OwnedCheck owned(check);
  text.assign(text.size(), '-');
  const identity::Check& copy = owned.get();
  EXPECT_EQ(copy.id, 9u);
  EXPECT_EQ(copy.hits, 3u);
  EXPECT_TRUE(copy.peek);
  EXPECT_EQ(copy.method, "m");
  EXPECT_EQ(copy.path, "p");
  EXPECT_EQ(copy.client_ip, "i");
  EXPECT_EQ(copy.api_key, "a");
  EXPECT_EQ(copy.consumer, "k");
  EXPECT_EQ(copy.tier, "t");
  EXPECT_EQ(copy.bearer, "b");
  EXPECT_EQ(copy.attributes[0].name, "n");
  EXPECT_EQ(copy.attributes[0].value, "v");
}

}  // namespace
}  // namespace quota::rpc
