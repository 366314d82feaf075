#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "admin/collectors.h"
#include "config/settings.h"
#include "engine/engine.h"
#include "identity/directory.h"
#include "store/consumer_store.h"
#include "store/mode_store.h"
#include "store/redis_events.h"
#include "usage/usage_store.h"

namespace quota {

// What outlives quotad: the embedded store, or Redis, with all that differs between them.
class Backend {
 public:
  static absl::StatusOr<std::unique_ptr<Backend>> open(const config::Settings& settings);
  virtual ~Backend() = default;

  virtual engine::Store& store() = 0;
  virtual store::ConsumerStore& consumers() = 0;
  virtual store::ModeStore& modes() = 0;
  virtual identity::Directory& directory() = 0;
  virtual usage::UsageStore* usage() = 0;  // null: none is kept
  // Before the first decision: what earlier lives have left, and the way back for grants.
  virtual absl::Status start(engine::Engine& engine) = 0;
  // After the last decision: every count is saved.
  virtual absl::Status close(engine::Engine& engine) = 0;

  // Events and notices in Redis, until close(); null: there is none.
  virtual store::RedisEvents* events() { return nullptr; }

  virtual absl::StatusOr<int64_t> month_used(std::string subject, int32_t period) = 0;
  virtual admin::StoreCollector::Sample sample() const = 0;
};

}  // namespace quota
