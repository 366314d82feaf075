#include "admin/top_view.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "admin/amounts.h"
#include "admin/fields.h"
#include "admin/peek.h"
#include "base/time.h"

namespace quota::admin {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int64_t kShown = 20;
constexpr int64_t kMostShown = 100;
// For looking at all of them together: a store that is slow must not keep the answer.
constexpr milliseconds kPatience{500};

// Never waits for the store: who is busy is mostly known to the directory, and whoever is not is
// looked up for the next time.
std::optional<policy::Consumer> find(const policy::Policy& policy, identity::Directory& directory,
                                     const std::string& id, Now now) {
  if (const policy::Consumer* listed = policy.find_consumer(id)) return *listed;
  const identity::Answer answer = directory.look_up(id, now.mono_us, nullptr);
  if (answer.consumer) return *answer.consumer;
  if (answer.state != identity::Answer::State::kAbsent) return std::nullopt;
  policy::Consumer named_by_gateway;
  named_by_gateway.id = id;
  return named_by_gateway;
}

Json entry_json(const TopEntry& entry, const std::optional<engine::Decision>& left) {
  return {{"consumer", entry.consumer.empty() ? Json() : Json(entry.consumer)},
          {"tier", entry.tier},
          {"requests", entry.requests},
          {"denied", entry.denied},
          {"cost", units(entry.cost_milli)},
          {"per_second", entry.per_second},
          {"minute", left ? state_json(left->minute) : Json()},
          {"month", left ? state_json(left->month) : Json()}};
}

}  // namespace

Reply TopView::get(const Request& request) const {
  const auto limit = whole_query(request, "limit", 1, kMostShown, kShown);
  if (!limit.ok()) return problem(limit.status());

  const auto deadline = steady_clock::now() + kPatience;
  const auto policy = policy_.get();
  const Now now = read_clocks();
  Json top = Json::array();
  for (const TopEntry& entry : source_.busiest(static_cast<size_t>(*limit), now.mono_us)) {
    std::optional<engine::Decision> left;
    const auto consumer =
        entry.consumer.empty() ? std::nullopt : find(*policy, directory_, entry.consumer, now);
    const auto patience = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (consumer && patience > milliseconds::zero()) {
      // By the tier that was seen, which a token or a gateway may have named.
      const policy::Limits limits = entitlement_of(*policy, *consumer, entry.tier).limits;
      auto seen = look_at_consumer(engine_, *policy, *consumer, limits, now, patience);
      if (seen.ok()) left = *seen;
    }
    top.push_back(entry_json(entry, left));
  }
  const TopTotals totals = source_.totals(now.mono_us);
  return json_reply({{"window_s", 60},
                     {"totals",
                      {{"consumers", totals.consumers},
                       {"requests", totals.requests},
                       {"denied", totals.denied},
                       {"cost", units(totals.cost_milli)},
                       {"per_second", totals.per_second}}},
                     {"top", std::move(top)}});
}

}  // namespace quota::admin
