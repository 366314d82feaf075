#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "admin/event_collector.h"
#include "backend.h"
#include "config/settings.h"
#include "events/file_sink.h"
#include "events/history.h"
#include "events/pump_thread.h"
#include "events/renderer.h"
#include "events/tap.h"
#include "events/webhook.h"

namespace quota {

// All that becomes of decisions besides their verdicts: events, thresholds, log lines.
class Eventing {
 public:
  // For so many threads that decide. The backend outlives it.
  static absl::StatusOr<std::unique_ptr<Eventing>> start(const config::Settings& settings,
                                                         Backend& backend, int threads);
  ~Eventing() { stop(); }

  const std::shared_ptr<events::Tap>& tap(int thread) const {
    return taps_[static_cast<size_t>(thread)];
  }
  const events::History& history() const { return history_; }
  const events::Renderer& renderer() const { return renderer_; }
  admin::EventCollector::Sample sample() const;

  // When nobody decides any more, and while the store still takes events.
  void stop();

 private:
  explicit Eventing(events::Renderer renderer) : renderer_(std::move(renderer)) {}

  events::Renderer renderer_;
  events::History history_;
  std::vector<std::shared_ptr<events::Tap>> taps_;
  std::unique_ptr<events::FileSink> file_;
  events::Sink* sink_ = nullptr;  // the file, or the backend's
  std::unique_ptr<events::Webhook> webhook_;
  std::unique_ptr<events::Pump> pump_;
  std::unique_ptr<events::PumpThread> thread_;
};

}  // namespace quota
