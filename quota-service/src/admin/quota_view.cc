#include "admin/quota_view.h"

#include <spdlog/spdlog.h>

#include "admin/amounts.h"
#include "admin/peek.h"
#include "base/time.h"
#include "engine/period.h"
#include "policy/names.h"

namespace quota::admin {
namespace {

absl::Status no_consumer() {
  return absl::NotFoundError(
      "there is no consumer of that id, neither in the policy nor in the store");
}

}  // namespace

Reply QuotaView::get(const std::string& id) const {
  const auto policy = policy_.get();
  const auto consumer = find(*policy, id);
  if (!consumer.ok()) return problem(consumer.status());
  const auto [tier, limits] = entitlement_of(*policy, *consumer, consumer->tier);

  const Now now = read_clocks();
  const auto seen = look_at_consumer(engine_, *policy, *consumer, limits, now);
  if (!seen.ok()) return problem(seen.status());

  // What the engine has counted is exact; without it there is what the store has recorded.
  Json used;
  if (seen->month.limit >= 0 && !seen->degraded) {
    used = units(seen->month.limit - seen->month.remaining);
  } else if (const auto recorded = month_used_(
                 subject_of(id), engine::period_at(now.unix_us, consumer->billing_day).start_day);
             recorded.ok()) {
    used = units(*recorded);
  }
  return json_reply({{"consumer", id},
                     {"tier", tier == nullptr ? Json() : Json(tier->name)},
                     {"billing_day", consumer->billing_day},
                     {"limits", limits_json(limits)},
                     {"minute", state_json(seen->minute)},
                     {"month", state_json(seen->month)},
                     {"used_this_month", used},
                     {"degraded", seen->degraded}});
}

Reply QuotaView::reset(const std::string& id) const {
  const auto consumer = find(*policy_.get(), id);
  if (!consumer.ok()) return problem(consumer.status());
  if (!engine_.can_reset()) {
    return problem(absl::UnavailableError(
        "the shared store cannot be reached now, so nothing was reset; try again when it is back"));
  }
  engine_.reset(subject_of(id), false, consumer->billing_day, read_clocks());
  spdlog::info("admin: consumer {} starts anew", id);
  return get(id);
}

absl::StatusOr<policy::Consumer> QuotaView::find(const policy::Policy& policy,
                                                 const std::string& id) const {
  if (const policy::Consumer* listed = policy.find_consumer(id)) return *listed;
  if (!policy::is_consumer_id(id)) return no_consumer();
  auto managed = consumers_.find_consumer(id);
  if (!managed.ok()) return managed.status();
  if (*managed) return **std::move(managed);
  const bool may_be_named = policy.identity.trust_consumer || policy.identity.jwt.has_value();
  if (!may_be_named) return no_consumer();
  policy::Consumer unrecorded;
  unrecorded.id = id;
  return unrecorded;
}

}  // namespace quota::admin
