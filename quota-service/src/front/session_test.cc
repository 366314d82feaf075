#include "front/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>
#include <vector>

#include "grpc_stream.h"

namespace quota::front {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Decides: what it answers is made by the test.
class Decides final : public Session::Listener {
 public:
  bool on_batch(std::string_view batch, std::string& response, uint64_t& waiting) override {
    batches.emplace_back(batch);
    response += answer;
    waiting += wait;
    return !is_malformed;
  }
  std::vector<std::string> batches;
  std::string answer = "answer";
  uint64_t wait = 0;
  bool is_malformed = false;
};

// The module's end.
class Gateway final : public GrpcStream::Listener {
 public:
  void on_settings() noexcept override { is_greeted = true; }
  void on_message(std::string_view message) override { messages.emplace_back(message); }
  void ask(const std::string& batch) {
    std::string& out = *stream.outgoing();
    out.assign(kMessagePrefixSize, '\0');
    out += batch;
    write_message_prefix(out.data(), out.size());
    stream.send();
  }
  GrpcStream stream{this};
  std::vector<std::string> messages;
  bool is_greeted = false;
};

class SessionTest : public testing::Test {
 protected:
  // Carries bytes both ways, in pieces of so many, until nobody has any more to say.
  void carry(size_t piece = SIZE_MAX) {
    while (true) {
      std::string there;
      alive = gateway.stream.collect(&there);
      for (size_t at = 0; at < there.size(); at += std::min(piece, there.size() - at)) {
        ASSERT_TRUE(session.receive(std::string_view(there).substr(at, piece)));
      }
      std::string back;
      goes_on = session.collect(back);
      for (size_t at = 0; alive && at < back.size(); at += std::min(piece, back.size() - at)) {
        const std::string_view part = std::string_view(back).substr(at, piece);
        alive =
            gateway.stream.receive({reinterpret_cast<const uint8_t*>(part.data()), part.size()});
      }
      if ((there.empty() && back.empty()) || !alive) return;
    }
  }

  Decides decides;
  Session session{decides};
  Gateway gateway;
  bool alive = true;    // the gateway's end
  bool goes_on = true;  // this end
};

TEST_F(SessionTest, TheModuleIsGreetedAndItsBatchesAreAnsweredInOrder) {
  carry();
  EXPECT_TRUE(gateway.is_greeted);
  gateway.ask("first");
  carry();
  decides.answer = "another";
  gateway.ask("second");
  carry();
  EXPECT_THAT(decides.batches, ElementsAre("first", "second"));
  EXPECT_THAT(gateway.messages, ElementsAre("answer", "another"));
  EXPECT_TRUE(alive && goes_on);
}

TEST_F(SessionTest, BytesMayComeOneByOne) {
  gateway.ask("a batch");
  carry(1);
  EXPECT_THAT(decides.batches, ElementsAre("a batch"));
  EXPECT_THAT(gateway.messages, ElementsAre("answer"));
}

TEST_F(SessionTest, ABatchLargerThanAFrameAndAnAnswerLargerThanOneWriteArriveWhole) {
  const std::string batch(1'000'000, 'b');
  decides.answer.assign(3'000'000, 'a');
  gateway.ask(batch);
  carry();
  EXPECT_EQ(decides.batches.at(0), batch);
  EXPECT_EQ(gateway.messages.at(0), decides.answer);
}

TEST_F(SessionTest, ThousandsOfBatchesNeedNoNewConnection) {
  for (int i = 0; i < 5000; ++i) {
    gateway.messages.clear();
    gateway.ask(std::string(2000, 'x'));
    carry();
    ASSERT_THAT(gateway.messages, ElementsAre("answer")) << i;
  }
}

TEST_F(SessionTest, LateVerdictsFollow) {
  decides.wait = 2;
  gateway.ask("waits");
  carry();
  session.respond_late("late", 1);
  session.respond_late("later", 1);
  carry();
  EXPECT_THAT(gateway.messages, ElementsAre("answer", "late", "later"));
}

TEST_F(SessionTest, ABatchThatCannotBeReadEndsTheCallAndSaysWhy) {
  decides.is_malformed = true;
  decides.answer.clear();
  gateway.ask("nonsense");
  carry();
  EXPECT_FALSE(alive);
  EXPECT_STREQ(gateway.stream.error(), "it ended the call with gRPC status 3");
  EXPECT_FALSE(goes_on);
}

TEST_F(SessionTest, WhatWasDecidedBeforeTheFaultIsStillTold) {
  decides.is_malformed = true;
  gateway.ask("half nonsense");
  carry();
  EXPECT_THAT(gateway.messages, ElementsAre("answer"));
}

TEST_F(SessionTest, AStopEndsACallThatWaitsForNothingAtOnce) {
  gateway.ask("a batch");
  carry();
  session.end_soon();
  carry();
  EXPECT_STREQ(gateway.stream.error(), "it ended the call with gRPC status 14");
  EXPECT_FALSE(goes_on);
}

TEST_F(SessionTest, AStopWaitsForLateVerdictsAndAnswersBatchesMeanwhile) {
  decides.wait = 1;
  gateway.ask("waits");
  carry();
  session.end_soon();
  carry();
  EXPECT_TRUE(alive && goes_on);
  decides.wait = 0;
  gateway.ask("another");
  carry();
  session.respond_late("late", 1);
  carry();
  EXPECT_THAT(gateway.messages, ElementsAre("answer", "answer", "late"));
  EXPECT_FALSE(goes_on);
}

TEST_F(SessionTest, AStopBeforeTheCallEndsTheConnection) {
  session.end_soon();
  std::string out;
  EXPECT_FALSE(session.collect(out));
}

// Clients that are not the module: frames by hand.
class Frames {
 public:
  enum Type : char { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6 };
  static constexpr char kEndStream = 1, kEndHeaders = 4;

  Frames& add(Type type, char flags, int stream, const std::string& payload) {
    bytes += {'\0', static_cast<char>(payload.size() >> 8), static_cast<char>(payload.size())};
    bytes += {type, flags, '\0', '\0', '\0', static_cast<char>(stream)};
    bytes += payload;
    return *this;
  }
  // HPACK literals without indexing.
  static std::string field(const std::string& name, const std::string& value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + name +
           static_cast<char>(value.size()) + value;
  }
  Frames& call(int stream, const std::string& path, char flags = kEndHeaders) {
    return add(kHeaders, flags, stream,
               field(":method", "POST") + field(":scheme", "http") + field(":path", path) +
                   field(":authority", "localhost") + field("content-type", "application/grpc"));
  }
  Frames& message(int stream, const std::string& message, char flags = 0) {
    std::string framed(kMessagePrefixSize, '\0');
    framed += message;
    write_message_prefix(framed.data(), framed.size());
    return add(kData, flags, stream, framed);
  }

  std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
};

constexpr const char* kDecide = "/quota.v1.QuotaService/Decide";

struct Outcome {
  bool is_http2 = true;
  bool goes_on = true;
  std::string said;
};

Outcome tell(Decides& decides, const std::string& bytes) {
  Session session(decides);
  Outcome outcome;
  outcome.is_http2 = session.receive(bytes);
  while (outcome.is_http2) {
    const size_t before = outcome.said.size();
    std::string more;
    outcome.goes_on = session.collect(more);
    outcome.said += more;
    if (outcome.said.size() == before) break;
  }
  return outcome;
}

TEST(SessionsClients, WhoHasSaidAllGetsEveryAnswerAndTheStatus) {
  Decides decides;
  Frames frames;
  frames.add(Frames::kSettings, 0, 0, "")
      .call(1, kDecide)
      .message(1, "one")
      .message(1, "two", Frames::kEndStream);
  const Outcome outcome = tell(decides, frames.bytes);
  EXPECT_THAT(decides.batches, ElementsAre("one", "two"));
  EXPECT_THAT(outcome.said, HasSubstr("answer"));
  EXPECT_FALSE(outcome.goes_on);
}

TEST(SessionsClients, AnotherMethodIsRefused) {
  Decides decides;
  Frames frames;
  frames.add(Frames::kSettings, 0, 0, "").call(1, "/quota.v1.QuotaService/Check").message(1, "one");
  EXPECT_FALSE(tell(decides, frames.bytes).goes_on);
  EXPECT_THAT(decides.batches, IsEmpty());
}

TEST(SessionsClients, ASecondCallIsRefusedAndHarmsNotTheFirst) {
  Decides decides;
  Frames frames;
  frames.add(Frames::kSettings, 0, 0, "").call(1, kDecide).message(1, "one").call(3, kDecide);
  frames.message(3, "stranger").message(1, "two");
  EXPECT_TRUE(tell(decides, frames.bytes).goes_on);
  EXPECT_THAT(decides.batches, ElementsAre("one", "two"));
}

TEST(SessionsClients, ACallThatIsResetEndsTheConnection) {
  Decides decides;
  Frames frames;
  frames.add(Frames::kSettings, 0, 0, "").call(1, kDecide).message(1, "one");
  frames.add(Frames::kReset, 0, 1, std::string(4, '\0'));
  EXPECT_FALSE(tell(decides, frames.bytes).goes_on);
}

TEST(SessionsClients, CompressedAndOverlongMessagesEndTheCall) {
  for (const std::string& prefix :
       {std::string("\1\0\0\0\1x", 6), std::string("\0\x7f\0\0\0", 5)}) {
    Decides decides;
    Frames frames;
    frames.add(Frames::kSettings, 0, 0, "").call(1, kDecide).add(Frames::kData, 0, 1, prefix);
    frames.message(1, "after it");
    EXPECT_FALSE(tell(decides, frames.bytes).goes_on);
    EXPECT_THAT(decides.batches, IsEmpty());
  }
}

TEST(SessionsClients, AFloodOfPingsEndsTheConnectionBeforeItFillsMemory) {
  Decides decides;
  Session session(decides);
  Frames frames;
  frames.add(Frames::kSettings, 0, 0, "");
  for (int i = 0; i < 2000; ++i) frames.add(Frames::kPing, 0, 0, std::string(8, 'p'));
  EXPECT_FALSE(session.receive(frames.bytes));
}

TEST(SessionsClients, WhateverIsSentIsSurvived) {
  Frames good;
  good.add(Frames::kSettings, 0, 0, "").call(1, kDecide).message(1, "one").message(1, "two");
  std::mt19937 random(42);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good.bytes;
    const size_t changes = 1 + random() % 8;
    for (size_t i = 0; i < changes; ++i) {
      // The preface must stay, or nothing behind it is ever read.
      const size_t at = 24 + random() % (bytes.size() - 24);
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 4);
          break;
        default:
          bytes.insert(at, 1 + random() % 4, static_cast<char>(random()));
      }
      if (bytes.size() < 40) break;
    }
    Decides decides;
    decides.wait = random() % 2;
    decides.is_malformed = random() % 4 == 0;
    Session session(decides);
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = std::min<size_t>(1 + random() % 64, bytes.size() - at);
      if (!session.receive(std::string_view(bytes).substr(at, size))) break;
      at += size;
      std::string out;
      if (random() % 2 == 0 && !session.collect(out)) break;
      if (random() % 16 == 0) session.end_soon();
    }
  }
}

}  // namespace
}  // namespace quota::front
