#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "admin/http.h"
#include "engine/engine.h"
#include "policy/live_policy.h"
#include "store/consumer_store.h"

namespace quota::admin {

// What the store has recorded of a month: subject "c:acme", first day of the month in days since
// 1970. Milli-units.
using MonthUsed =
    std::function<absl::StatusOr<int64_t>(const std::string& subject, int32_t period)>;

// /v1/quota/{consumer}: what somebody may have, has left and has used, and a fresh start.
class QuotaView {
 public:
  QuotaView(const policy::LivePolicy& policy, store::ConsumerStore& consumers,
            engine::Engine& engine, MonthUsed month_used)
      : policy_(policy),
        consumers_(consumers),
        engine_(engine),
        month_used_(std::move(month_used)) {}

  Reply get(const std::string& id) const;
  Reply reset(const std::string& id) const;

 private:
  // The record of the consumer; an empty one for those that only a gateway or a token names.
  absl::StatusOr<policy::Consumer> find(const policy::Policy& policy, const std::string& id) const;

  const policy::LivePolicy& policy_;
  store::ConsumerStore& consumers_;
  engine::Engine& engine_;
  const MonthUsed month_used_;
};

}  // namespace quota::admin
