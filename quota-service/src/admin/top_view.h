#pragma once

#include "admin/http.h"
#include "admin/top_source.h"
#include "engine/engine.h"
#include "identity/directory.h"
#include "policy/live_policy.h"

namespace quota::admin {

// GET /v1/top: who asks most, and what they have left.
class TopView {
 public:
  TopView(TopSource& source, engine::Engine& engine, const policy::LivePolicy& policy,
          identity::Directory& directory)
      : source_(source), engine_(engine), policy_(policy), directory_(directory) {}

  Reply get(const Request& request) const;

 private:
  TopSource& source_;
  engine::Engine& engine_;
  const policy::LivePolicy& policy_;
  identity::Directory& directory_;
};

}  // namespace quota::admin
