#pragma once

#include <chrono>
#include <functional>

#include "absl/status/statusor.h"
#include "engine/engine.h"

namespace quota::admin {

// Runs a decision that may have to wait for the store, and blocks until it is made: for people who
// ask, never for requests. `decide` is Engine::decide or Gatekeeper::decide with its other
// arguments bound; `charge` is what it decides.
using Decide = std::function<bool(engine::Decision&, engine::Engine::MakeWaiter)>;
absl::StatusOr<engine::Decision> wait_for_decision(
    const engine::Charge& charge, const Decide& decide,
    std::chrono::milliseconds patience = std::chrono::milliseconds(1000));

}  // namespace quota::admin
