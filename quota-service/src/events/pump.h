#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/time.h"
#include "events/history.h"
#include "events/noticeboard.h"
#include "events/renderer.h"
#include "events/sink.h"
#include "events/tap.h"
#include "events/told.h"
#include "telemetry/throttle.h"

namespace quota::events {

struct PumpOptions {
  size_t batch = 256;              // events that go to the sink at once
  int64_t most_denials = 0;        // events of denials each second, of all threads together
  int64_t slow_us = 0;             // as the taps have it
  int64_t quiet_us = 600'000'000;  // as the taps have it
  size_t most_pending = 256;       // thresholds that wait for the noticeboard
};

// Where events go. What may be null is not there.
struct PumpOutlets {
  Renderer& renderer;
  History& history;
  Sink* sink = nullptr;
  Noticeboard* noticeboard = nullptr;  // null: nobody else tells of thresholds
  std::function<void(std::string line)> threshold = nullptr;  // takes those that are told
};

// Fetches what the threads that decide have picked out, and passes it on. Everything but stats() by
// one thread.
class Pump {
 public:
  Pump(PumpOptions options, PumpOutlets outlets, std::vector<std::shared_ptr<Tap>> taps);

  void drain(Now now);
  // The last one: does not wait for the noticeboard any more.
  void finish(Now now);

  struct Stats {
    uint64_t dropped = 0;  // between the taps and here
    uint64_t capped = 0;
    uint64_t month_80 = 0;
    uint64_t month_100 = 0;
    uint64_t first_denials = 0;
  };
  Stats stats() const;

 private:
  // What the noticeboard has answered, which may be when the pump is gone.
  struct Answers;

  void take(const Event& event, Now now);
  bool is_capped(const Event& event, Now now);
  void log(const Event& event, int64_t mono_us);
  void log_drops(int64_t mono_us);
  void ask(const Event& event);
  void take_answers();
  void tell(const Event& event, bool is_confirmed);
  void pass_on(const Event& event, const nlohmann::ordered_json& object);
  void flush();

  const PumpOptions options_;
  const PumpOutlets outlets_;
  const std::vector<std::shared_ptr<Tap>> taps_;

  std::vector<std::string> batch_;
  Told told_;
  const std::shared_ptr<Answers> answers_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Event>> pending_;
  uint64_t last_pending_ = 0;

  int64_t second_ = 0;
  int64_t denials_ = 0;  // in that second
  telemetry::Throttle denial_log_;
  telemetry::Throttle slow_log_;
  telemetry::Throttle drop_log_;
  uint64_t drops_logged_ = 0;

  LocalCounter capped_;
  std::array<LocalCounter, 4> told_count_;  // by Kind
};

}  // namespace quota::events
