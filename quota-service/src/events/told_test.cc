#include "events/told.h"

#include <gtest/gtest.h>

#include <string>

#include "events/test_events.h"

namespace quota::events {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'795'000'000 * kSecond;

Event event(Kind kind, const std::string& consumer, const engine::Decision& decision,
            int64_t second = 0) {
  Event event = test::Asked(consumer).event();
  event.set(decision, kStart + second * kSecond, 0);
  event.kind = kind;
  return event;
}

TEST(ToldTest, AMonthIsToldOnceAtEachThreshold) {
  Told told(600 * kSecond);
  EXPECT_TRUE(told.is_news(event(Kind::kMonth80, "acme", test::month(1000, 200))));
  EXPECT_FALSE(told.is_news(event(Kind::kMonth80, "acme", test::month(1000, 100))));
  EXPECT_TRUE(told.is_news(event(Kind::kMonth100, "acme", test::month(1000, 0))));
  EXPECT_FALSE(told.is_news(event(Kind::kMonth80, "acme", test::month(1000, 100))));
  EXPECT_TRUE(told.is_news(event(Kind::kMonth80, "beta", test::month(1000, 200))));
}

TEST(ToldTest, TheNextMonthIsNews) {
  Told told(600 * kSecond);
  EXPECT_TRUE(told.is_news(event(Kind::kMonth100, "acme", test::month(1000, 0))));
  engine::Decision next = test::month(1000, 200);
  next.month.reset_unix_us += 2'592'000 * kSecond;
  EXPECT_TRUE(told.is_news(event(Kind::kMonth80, "acme", next)));
}

TEST(ToldTest, ADenialIsTheFirstWhenItWasQuietForAllThreads) {
  Told told(600 * kSecond);
  const auto denial = [&](Kind kind, int64_t second) {
    return told.is_news(event(kind, "acme", test::denied(), second));
  };
  // As a thread brings it: the decision, and that it was the first there.
  EXPECT_TRUE(denial(Kind::kDecision, 0));
  EXPECT_TRUE(denial(Kind::kFirstDenial, 0));
  // Another thread, which has not seen the consumer for long.
  EXPECT_TRUE(denial(Kind::kDecision, 500));
  EXPECT_FALSE(denial(Kind::kFirstDenial, 500));
  EXPECT_TRUE(denial(Kind::kDecision, 1000));
  EXPECT_FALSE(denial(Kind::kFirstDenial, 1000));
  EXPECT_TRUE(denial(Kind::kFirstDenial, 1601));
}

TEST(ToldTest, AFirstDenialThatWasLostIsToldWithALaterOne) {
  Told told(600 * kSecond);
  EXPECT_TRUE(told.is_news(event(Kind::kDecision, "acme", test::denied(), 0)));
  EXPECT_TRUE(told.is_news(event(Kind::kFirstDenial, "acme", test::denied(), 3)));
}

TEST(ToldTest, RemembersNoMoreThanItMay) {
  Told told(600 * kSecond, 2);
  const auto full = [](const std::string& who) {
    return event(Kind::kMonth100, who, test::month(1000, 0));
  };
  EXPECT_TRUE(told.is_news(full("a")));
  EXPECT_TRUE(told.is_news(full("b")));
  EXPECT_FALSE(told.is_news(full("a")));
  EXPECT_TRUE(told.is_news(full("c")));
  EXPECT_FALSE(told.is_news(full("a")));
  EXPECT_TRUE(told.is_news(full("b")));
}

}  // namespace
}  // namespace quota::events
