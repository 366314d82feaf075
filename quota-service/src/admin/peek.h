#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/time.h"
#include "engine/engine.h"
#include "policy/policy.h"

namespace quota::admin {

// Runs a decision that may have to wait for the store, and blocks until it is made: for people who
// ask, never for requests. `decide` is Engine::decide or Gatekeeper::decide with its other
// arguments bound; `charge` is what it decides.
using Decide = std::function<bool(engine::Decision&, engine::Engine::MakeWaiter)>;
absl::StatusOr<engine::Decision> wait_for_decision(
    const engine::Charge& charge, const Decide& decide,
    std::chrono::milliseconds patience = std::chrono::milliseconds(1000));

// What a consumer may have by the tier of that name. Where there is none of that name it has the
// default tier, and without a default tier the limits of anonymous clients.
struct Entitlement {
  const policy::Tier* tier = nullptr;
  policy::Limits limits;
};
Entitlement entitlement_of(const policy::Policy& policy, const policy::Consumer& consumer,
                           std::string_view tier);

// What a consumer of these limits has left; takes nothing.
absl::StatusOr<engine::Decision> look_at_consumer(
    engine::Engine& engine, const policy::Policy& policy, const policy::Consumer& consumer,
    const policy::Limits& limits, Now now,
    std::chrono::milliseconds patience = std::chrono::milliseconds(1000));

// The name of a consumer as a subject of engine and stores.
std::string subject_of(const std::string& consumer);

}  // namespace quota::admin
