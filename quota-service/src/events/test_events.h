#pragma once

#include <string>
#include <string_view>

#include "events/tap.h"

// Decisions as a gateway would cause them, for the tests of what is made of them.
namespace quota::events::test {

inline constexpr std::string_view kTraceId = "4bf92f3577b34da6a3ce929d0e0e4736";
inline constexpr std::string_view kTraceparent =
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
inline constexpr int64_t kMonthEnd = 1'796'083'200'000'000;

inline engine::Decision allowed() {
  engine::Decision decision;
  decision.minute = {.limit = 100'000, .remaining = 99'000, .reset_unix_us = 0, .window_s = 60};
  return decision;
}

inline engine::Decision denied() {
  engine::Decision decision = allowed();
  decision.outcome = engine::Outcome::kDenied;
  decision.reason = engine::Reason::kMinute;
  decision.minute.remaining = 0;
  return decision;
}

inline engine::Decision month(int64_t limit, int64_t remaining) {
  engine::Decision decision = allowed();
  decision.month = {
      .limit = limit, .remaining = remaining, .reset_unix_us = kMonthEnd, .window_s = 2'592'000};
  return decision;
}

// Who asked for what. An empty name: a client without one.
struct Asked {
  explicit Asked(std::string consumer) {
    check.method = "GET";
    check.path = "/identify";
    check.client_ip = std::string_view("\x0a\0\0\1", 4);
    check.attributes.push_back({"traceparent", kTraceparent});
    subject.kind = consumer.empty() ? identity::Kind::kAnonymous : identity::Kind::kConsumer;
    subject.consumer = std::move(consumer);
    subject.tier = "pro";
    endpoint.name = "/identify";
  }

  void note(Tap& tap, const engine::Decision& decision, int64_t unix_us, int64_t cost = 1000) {
    tap.note(check, subject, endpoint, cost, decision, unix_us);
  }
  // As for a decision that comes late.
  Event event(int64_t cost = 1000) const {
    Event event;
    event.fill(check, subject, endpoint, cost);
    return event;
  }

  identity::Check check;
  identity::Subject subject;
  policy::EndpointRule endpoint;
};

}  // namespace quota::events::test
