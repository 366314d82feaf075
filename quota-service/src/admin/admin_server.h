#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "admin/metrics.h"
#include "admin/mode_switch.h"
#include "admin/quota_view.h"
#include "admin/top_source.h"
#include "engine/engine.h"
#include "events/history.h"
#include "events/renderer.h"
#include "identity/directory.h"
#include "policy/live_policy.h"
#include "store/consumer_store.h"
#include "usage/usage_store.h"

namespace quota::admin {

// What the admin API shows and changes; all of it outlives the server. A policy is in force
// already.
struct AdminDeps {
  const policy::LivePolicy& policy;
  identity::Directory& directory;
  store::ConsumerStore& consumers;
  engine::Engine& engine;
  ModeSwitch& mode;
  TopSource& top;
  const MetricsRegistry& metrics;
  const std::atomic<bool>&
      ready;  // false before the first decision can be made, and while draining
  std::function<absl::Status()> reload;  // reads the policy again
  MonthUsed month_used;
  usage::UsageStore* usage = nullptr;  // null: none is kept
  // Both or neither.
  const events::History* events = nullptr;
  const events::Renderer* renderer = nullptr;
};

struct AdminSettings {
  std::string host = "127.0.0.1";
  int port = 9180;    // 0: any free one
  std::string token;  // empty: nobody may change anything
  // Names under which it may be asked, besides IP addresses and localhost.
  std::vector<std::string> hosts = {};
};

// Health, metrics, and the API for people and quotactl.
class AdminServer {
 public:
  AdminServer(AdminDeps deps, AdminSettings settings);
  ~AdminServer();  // stops

  absl::Status start();
  int port() const;
  // Unfinished requests are given up. No handler runs once this returns.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quota::admin
