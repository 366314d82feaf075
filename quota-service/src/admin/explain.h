#pragma once

#include <mutex>

#include "admin/http.h"
#include "engine/engine.h"
#include "gate/gatekeeper.h"
#include "identity/directory.h"
#include "policy/live_policy.h"

namespace quota::admin {

// POST /v1/explain: what would be decided about a request now, and why. It takes nothing. The facts
// hold credentials, so neither they nor anything made of them is logged or repeated.
class Explainer {
 public:
  Explainer(engine::Engine& engine, const policy::LivePolicy& policy,
            identity::Directory& directory)
      : gatekeeper_(engine, policy, directory) {}

  Reply explain(const Request& request);

 private:
  std::mutex mutex_;  // guards the gatekeeper
  gate::Gatekeeper gatekeeper_;
};

}  // namespace quota::admin
