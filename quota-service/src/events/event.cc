#include "events/event.h"

#include <algorithm>
#include <cstring>

namespace quota::events {
namespace {

constexpr std::string_view kTraceAttribute = "traceparent";

std::string_view trace_of(const identity::Check& check) {
  const auto found =
      std::ranges::find(check.attributes, kTraceAttribute, &identity::Attribute::name);
  return found == check.attributes.end() ? std::string_view() : found->value;
}

}  // namespace

void Event::fill(const identity::Check& check, const identity::Subject& subject,
                 const policy::EndpointRule& endpoint, int64_t cost) {
  is_consumer = subject.kind == identity::Kind::kConsumer;
  hits = check.hits;
  cost_milli = cost;
  const std::array<std::string_view, kFields> values = {
      subject.consumer, subject.tier,    endpoint.name,  check.method,
      check.path,       check.client_ip, trace_of(check)};
  size_t end = 0;
  for (size_t i = 0; i < kFields; ++i) {
    const size_t length = std::min<size_t>(values[i].size(), kMost[i]);
    // An empty view may have no address at all.
    if (length > 0) std::memcpy(text.data() + end, values[i].data(), length);
    end += length;
    ends[i] = static_cast<uint16_t>(end);
  }
}

void Event::set(const engine::Decision& decision, int64_t at_unix_us, int64_t waited) {
  outcome = decision.outcome;
  reason = decision.reason;
  shadow = decision.shadow;
  degraded = decision.degraded;
  minute = decision.minute;
  month = decision.month;
  unix_us = at_unix_us;
  waited_us = waited;
}

}  // namespace quota::events
