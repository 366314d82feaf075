#include "store/redis_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <string>
#include <utility>
#include <vector>

namespace quota::store {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Answer = events::Noticeboard::Answer;

// Keeps what is sent, and answers when a test says so.
struct Wire {
  RedisEvents::Send send() {
    return [this](RedisCalls::Call call) {
      if (is_closed) return false;
      calls.push_back(std::move(call));
      return true;
    };
  }
  void answer(size_t i, int type) {
    redisReply reply{};
    reply.type = type;
    calls[i].told(&reply);
  }
  void fail(size_t i) { calls[i].told(absl::UnavailableError("Redis cannot be reached")); }

  std::vector<RedisCalls::Call> calls;
  bool is_closed = false;
};

std::vector<std::string> times(size_t n, const std::string& event) {
  return std::vector<std::string>(n, event);
}

TEST(RedisEventsTest, WritesABatchAsOneEntryOfOneStreamAfterTheOther) {
  Wire wire;
  RedisEvents events({.streams = 2, .maxlen = 500}, wire.send());
  events.write({R"({"a":1})", R"({"b":2})"});
  events.write({R"({"c":3})"});
  events.write({R"({"d":4})"});
  ASSERT_THAT(wire.calls, SizeIs(3));
  const auto& words = wire.calls[0].words;
  const std::string key = wire.calls[0].key;
  EXPECT_THAT(key, StartsWith("quota:events:{"));
  EXPECT_THAT(words, ElementsAre("XADD", key, "MAXLEN", "~", "500", "*", "batch",
                                 R"([{"a":1},{"b":2}])", "n", "2"));
  EXPECT_NE(wire.calls[1].key, key);
  EXPECT_EQ(wire.calls[2].key, key);
}

TEST(RedisEventsTest, CountsWhatRedisAnswers) {
  Wire wire;
  RedisEvents events({}, wire.send());
  for (int i = 0; i < 3; ++i) events.write({"{}", "{}"});
  wire.answer(0, REDIS_REPLY_STRING);
  wire.fail(1);
  EXPECT_EQ(events.stats().written, 2U);
  EXPECT_EQ(events.stats().failed, 2U);
  wire.is_closed = true;
  events.write({"{}"});
  EXPECT_EQ(events.stats().failed, 3U);
  EXPECT_EQ(events.stats().dropped, 0U);
}

TEST(RedisEventsTest, DropsWhatIsTooMuchAtOnce) {
  Wire wire;
  RedisEvents events({.most_in_flight = 2}, wire.send());
  for (int i = 0; i < 4; ++i) events.write({"{}", "{}"});
  EXPECT_THAT(wire.calls, SizeIs(2));
  EXPECT_EQ(events.stats().dropped, 4U);
  wire.answer(0, REDIS_REPLY_STRING);
  wire.fail(1);
  for (int i = 0; i < 3; ++i) events.write({"{}"});
  EXPECT_THAT(wire.calls, SizeIs(4));
  EXPECT_EQ(events.stats().dropped, 5U);
}

TEST(RedisEventsTest, SplitsABatchThatIsTooLarge) {
  Wire wire;
  RedisEvents events({.most_bytes = 100}, wire.send());
  std::vector<std::string> batch = times(3, std::string(40, 'x'));
  batch.push_back(std::string(500, 'y'));
  batch.emplace_back("z");
  events.write(batch);
  std::vector<std::string> counts;
  for (const auto& call : wire.calls) counts.push_back(call.words.back());
  EXPECT_THAT(counts, ElementsAre("2", "1", "1", "1"));
}

TEST(RedisEventsTest, AnAnswerMayComeWhenItIsGone) {
  Wire wire;
  {
    RedisEvents events({}, wire.send());
    events.write({"{}"});
  }
  wire.fail(0);
}

TEST(RedisEventsTest, ANoticeIsPutUpUnlessItIsThere) {
  Wire wire;
  RedisEvents events({}, wire.send());
  std::vector<Answer> answers;
  for (int i = 0; i < 3; ++i) {
    events.put_up("month_80:acme:1", 5000, [&](Answer answer) { answers.push_back(answer); });
  }
  EXPECT_THAT(wire.calls[0].words,
              ElementsAre("SET", "quota:{told}:month_80:acme:1", "1", "NX", "PX", "5000"));
  EXPECT_EQ(wire.calls[0].key, "quota:{told}:month_80:acme:1");
  wire.answer(0, REDIS_REPLY_STATUS);
  wire.answer(1, REDIS_REPLY_NIL);
  wire.fail(2);
  wire.is_closed = true;
  events.put_up("x", 1, [&](Answer answer) { answers.push_back(answer); });
  EXPECT_THAT(answers,
              ElementsAre(Answer::kFirst, Answer::kTold, Answer::kUnknown, Answer::kUnknown));
}

}  // namespace
}  // namespace quota::store
