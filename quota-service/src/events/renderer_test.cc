#include "events/renderer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "events/test_events.h"
#include "events/trace.h"

namespace quota::events {
namespace {

using test::Asked;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Event denial() {
  Asked asked("acme");
  asked.check.hits = 2;
  Event event = asked.event(3000);
  engine::Decision decision = test::month(50'000'000, 1'500);
  decision.outcome = engine::Outcome::kDenied;
  decision.reason = engine::Reason::kMonth;
  decision.retry_after_us = 600'000;
  event.set(decision, 1'795'000'000'123'456, 42);
  event.kind = Kind::kDecision;
  return event;
}

std::string line(Privacy privacy, const Event& event) {
  Renderer renderer(privacy, "a key of the tests");
  return Renderer::line(renderer.object(event));
}

TEST(RendererTest, FullShowsEverything) {
  EXPECT_EQ(line(Privacy::kFull, denial()),
            R"({"time_unix_ms":1795000000123,"kind":"decision","outcome":"denied",)"
            R"("reason":"month","consumer":"acme","tier":"pro","endpoint":"/identify",)"
            R"("method":"GET","path":"/identify","client_ip":"10.0.0.1","cost":3,"hits":2,)"
            R"("minute_limit":100,"minute_remaining":99,"month_limit":50000,)"
            R"("month_remaining":1.5,"month_reset_unix_ms":1796083200000,"retry_after_ms":600,)"
            R"("shadow":false,"degraded":false,"waited_us":42,)"
            R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"})");
}

// The hashes are what `openssl dgst -sha256 -hmac "a key of the tests"` says of the two texts.
TEST(RendererTest, HashedNamesNobodyAndShowsNoPath) {
  EXPECT_EQ(line(Privacy::kHashed, denial()),
            R"({"time_unix_ms":1795000000123,"kind":"decision","outcome":"denied",)"
            R"("reason":"month","consumer":"50f7d3ee181400af7416af32ab2ee687","tier":"pro",)"
            R"("endpoint":"/identify","method":"GET",)"
            R"("client_ip":"0d7d823cd10f3c45f627ad235bb834bd","cost":3,"hits":2,)"
            R"("minute_limit":100,"minute_remaining":99,"month_limit":50000,)"
            R"("month_remaining":1.5,"month_reset_unix_ms":1796083200000,"retry_after_ms":600,)"
            R"("shadow":false,"degraded":false,"waited_us":42,)"
            R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"})");
}

TEST(RendererTest, MinimalShowsNothingOfAPerson) {
  EXPECT_EQ(line(Privacy::kMinimal, denial()),
            R"({"time_unix_ms":1795000000123,"kind":"decision","outcome":"denied",)"
            R"("reason":"month","tier":"pro","endpoint":"/identify","method":"GET","cost":3,)"
            R"("hits":2,"minute_limit":100,"minute_remaining":99,"month_limit":50000,)"
            R"("month_remaining":1.5,"month_reset_unix_ms":1796083200000,"retry_after_ms":600,)"
            R"("shadow":false,"degraded":false,"waited_us":42})");
}

TEST(RendererTest, AThresholdNamesItsConsumerUnlessNobodyIsNamed) {
  Event event = denial();
  for (const Kind kind : {Kind::kMonth80, Kind::kMonth100, Kind::kFirstDenial}) {
    event.kind = kind;
    EXPECT_THAT(line(Privacy::kFull, event), HasSubstr(R"("consumer":"acme")"));
    EXPECT_THAT(line(Privacy::kHashed, event), HasSubstr(R"("consumer":"acme")"));
    EXPECT_THAT(line(Privacy::kHashed, event), Not(HasSubstr("10.0.0.1")));
    EXPECT_THAT(line(Privacy::kMinimal, event), Not(HasSubstr("acme")));
  }
}

TEST(RendererTest, AnotherKeyGivesAnotherHash) {
  const Event event = denial();
  EXPECT_NE(Renderer(Privacy::kHashed, "one key").object(event)["consumer"],
            Renderer(Privacy::kHashed, "another").object(event)["consumer"]);
}

TEST(RendererTest, ANameKeepsItsHashHoweverManyOthersCome) {
  Renderer renderer(Privacy::kHashed, "a key of the tests");
  const auto hash_of = [&](const std::string& consumer) {
    Event event = denial();
    identity::Subject subject;
    subject.kind = identity::Kind::kConsumer;
    subject.consumer = consumer;
    event.fill(identity::Check{}, subject, {}, 0);
    return renderer.object(event).at("consumer").get<std::string>();
  };
  const std::string first = hash_of("acme");
  EXPECT_EQ(hash_of("acme"), first);
  for (int i = 0; i < 10'000; ++i) EXPECT_NE(hash_of("other-" + std::to_string(i)), first);
  EXPECT_EQ(hash_of("acme"), first);
}

TEST(RendererTest, WhatIsNotThereIsLeftOut) {
  Asked asked("");
  asked.check.client_ip = "what a stranger sends";
  asked.check.attributes.clear();
  Event event = asked.event();
  engine::Decision decision;
  decision.reason = engine::Reason::kUnlimited;
  event.set(decision, 0, 0);
  event.kind = Kind::kDecision;
  EXPECT_EQ(line(Privacy::kFull, event),
            R"({"time_unix_ms":0,"kind":"decision","outcome":"allowed","reason":"unlimited",)"
            R"("tier":"pro","endpoint":"/identify","method":"GET","path":"/identify","cost":1,)"
            R"("hits":1,"retry_after_ms":0,"shadow":false,"degraded":false,"waited_us":0})");
}

TEST(RendererTest, HostileBytesStayInsideTheirLine) {
  Asked asked("acme");
  asked.check.path = "/\xff\n\"},{\x01";
  asked.check.method = std::string_view("G\0T", 3);
  Event event = asked.event();
  event.set(test::denied(), 0, 0);
  event.kind = Kind::kDecision;
  const std::string text = line(Privacy::kFull, event);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["path"], "/\uFFFD\n\"},{\x01");
}

TEST(RendererTest, SaysHowAConsumerIsCalled) {
  EXPECT_THAT(Renderer(Privacy::kFull, "k").names_of("acme"), ElementsAre("acme"));
  EXPECT_THAT(Renderer(Privacy::kMinimal, "k").names_of("acme"), IsEmpty());
  Renderer hashed(Privacy::kHashed, "a key of the tests");
  EXPECT_THAT(hashed.names_of("acme"),
              ElementsAre("acme", hashed.object(denial())["consumer"].get<std::string>()));
}

TEST(TraceTest, TakesTheIdOutOfAValidTraceparentOnly) {
  EXPECT_EQ(trace_id_of(test::kTraceparent), test::kTraceId);
  const std::string good(test::kTraceparent);
  const auto with = [&](size_t at, const std::string& text) {
    std::string changed = good;
    return changed.replace(at, text.size(), text);
  };
  for (const std::string& bad :
       {std::string(), good + "0", good.substr(1), with(0, "01"), with(2, "_"), with(35, "_"),
        with(52, "_"), with(3, "A"), with(3, "g"), with(36, "F"), with(53, "0x"),
        with(3, std::string(32, '0')), with(36, std::string(16, '0')),
        with(10, std::string(1, '\0'))}) {
    EXPECT_EQ(trace_id_of(bad), "") << bad;
  }
}

}  // namespace
}  // namespace quota::events
