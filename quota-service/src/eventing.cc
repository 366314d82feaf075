#include "eventing.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/http_url.h"

namespace quota {
namespace {

events::Privacy privacy_of(const std::string& text) {
  if (text == "full") return events::Privacy::kFull;
  return text == "minimal" ? events::Privacy::kMinimal : events::Privacy::kHashed;
}

std::string hash_key(const config::Settings& settings) {
  if (!settings.events_hash_key.empty()) return settings.events_hash_key;
  if (settings.events != "off" && settings.events_privacy == "hashed") {
    spdlog::info(
        "events: without events_hash_key_file the hashes of consumers and addresses are this "
        "start's own, and cannot be compared with those of others");
  }
  std::random_device random;
  std::string key(32, '\0');
  std::ranges::generate(key, [&] { return static_cast<char>(random()); });
  return key;
}

events::TapOptions tap_options(const config::Settings& settings) {
  // Each thread may bring its part of the denials, and none nothing at all.
  const int64_t denials = settings.events_denials_per_second;
  return {.sample_allowed = settings.events == "off" ? 0 : settings.events_sample,
          .most_denials = denials == 0 ? 0 : std::max<int64_t>(1, denials / settings.threads),
          .slow_us = int64_t{settings.slow_decision_ms} * 1000,
          .log_denials = settings.log_denials == "true",
          .tell_thresholds = true};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Eventing>> Eventing::start(const config::Settings& settings,
                                                          Backend& backend, int threads) {
  std::unique_ptr<Eventing> self(
      new Eventing({privacy_of(settings.events_privacy), hash_key(settings)}));
  if (settings.events == "file") {
    self->file_ = std::make_unique<events::FileSink>(events::FileSink::Options{
        .path = settings.events_file, .most_bytes = int64_t{settings.events_file_max_mb} << 20});
    if (absl::Status status = self->file_->open(); !status.ok()) return status;
    self->sink_ = self->file_.get();
  } else if (settings.events == "redis") {
    self->sink_ = backend.events();
  }
  std::function<void(std::string)> threshold;
  if (!settings.webhook_url.empty()) {
    auto url = parse_http_url(settings.webhook_url);
    if (!url.ok()) return url.status();
    self->webhook_ = std::make_unique<events::Webhook>(
        events::WebhookOptions{.url = *std::move(url), .secret = settings.webhook_secret});
    threshold = [webhook = self->webhook_.get()](std::string line) {
      webhook->send(std::move(line));
    };
  }
  std::random_device random;
  for (int i = 0; i < threads; ++i) {
    const uint64_t seed = uint64_t{random()} << 32 | random();
    self->taps_.push_back(std::make_shared<events::Tap>(tap_options(settings), seed));
  }
  self->pump_ = std::make_unique<events::Pump>(
      events::PumpOptions{.batch = static_cast<size_t>(settings.events_batch),
                          .most_denials = settings.events_denials_per_second,
                          .slow_us = int64_t{settings.slow_decision_ms} * 1000},
      events::PumpOutlets{.renderer = self->renderer_,
                          .history = self->history_,
                          .sink = self->sink_,
                          .noticeboard = backend.events(),
                          .threshold = std::move(threshold)},
      self->taps_);
  self->thread_ = std::make_unique<events::PumpThread>(
      *self->pump_, std::chrono::milliseconds(settings.events_interval_ms));
  return self;
}

void Eventing::stop() {
  if (thread_ != nullptr) thread_->stop();
  if (webhook_ != nullptr) webhook_->stop();
}

admin::EventCollector::Sample Eventing::sample() const {
  const events::Pump::Stats pump = pump_->stats();
  const events::Sink::Stats sink = sink_ == nullptr ? events::Sink::Stats{} : sink_->stats();
  const events::Webhook::Stats webhook =
      webhook_ == nullptr ? events::Webhook::Stats{} : webhook_->stats();
  return {.events = {{"written", sink.written},
                     {"dropped", pump.dropped + sink.dropped},
                     {"failed", sink.failed},
                     {"capped", pump.capped}},
          .thresholds = {{"month_80", pump.month_80},
                         {"month_100", pump.month_100},
                         {"first_denial", pump.first_denials}},
          .webhook_requests = {
              {"ok", webhook.ok}, {"error", webhook.errors}, {"dropped", webhook.dropped}}};
}

}  // namespace quota
