#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "events/tap.h"
#include "gate/gatekeeper.h"
#include "telemetry/decision_counters.h"
#include "usage/meter.h"

namespace quota::rpc {

// What is kept of the decisions of one thread: counted for metrics, metered for the bill, and
// picked out as events. Each may be left out.
struct Books {
  std::shared_ptr<telemetry::DecisionCounters> counters;
  std::shared_ptr<usage::Meter> meter = nullptr;
  std::shared_ptr<events::Tap> tap = nullptr;

  // By the thread that decides: before a batch, after each decision that was made at once, and
  // after the batch.
  void begin(const std::shared_ptr<const policy::Policy>& policy, Now now);
  void note(const identity::Check& check, const gate::Case& assessed,
            const engine::Decision& decision, Now now);
  void end(uint64_t checks, uint64_t duration_ns);

  const policy::Policy* counted_policy = nullptr;  // for begin(): what the counters go by
  uint64_t noted = 0;                              // of this batch
};

// A decision that is made later, on any thread: what the books need to know of it then.
class LateEntry {
 public:
  LateEntry(const Books& books, const identity::Check& check, const gate::Case& assessed);
  void note(const engine::Decision& decision, int64_t unix_us, uint64_t waited_ns);

  // Views last as long as the entry and the policy of the case.
  std::string_view consumer() const { return consumer_; }
  std::string_view tier() const { return tier_; }
  std::string_view endpoint() const { return endpoint_->name; }
  int64_t cost_milli() const { return cost_milli_; }

 private:
  const Books books_;
  const std::string consumer_;
  const std::string tier_;
  const policy::EndpointRule* endpoint_;  // of the policy of the case
  const int64_t cost_milli_;
  const uint32_t hits_;
  const bool is_peek_;
  std::unique_ptr<events::Event> event_;
};

}  // namespace quota::rpc
