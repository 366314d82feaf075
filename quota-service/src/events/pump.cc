#include "events/pump.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "telemetry/logging.h"

namespace quota::events {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kDayMs = 86'400'000;

std::string notice_of(const Event& event) {
  const std::string_view consumer = event.get(Event::Field::kConsumer);
  if (event.kind == Kind::kFirstDenial) {
    return fmt::format("{}:{}", to_string(event.kind), consumer);
  }
  return fmt::format("{}:{}:{}", to_string(event.kind), consumer,
                     event.month.reset_unix_us / kSecondUs);
}

// A month's notice outlives the month, by whatever clock.
int64_t life_of_notice_ms(const Event& event, int64_t quiet_us) {
  if (event.kind == Kind::kFirstDenial) return std::max<int64_t>(quiet_us / 1000, 1);
  return std::max<int64_t>((event.month.reset_unix_us - event.unix_us) / 1000, 0) + kDayMs;
}

}  // namespace

struct Pump::Answers {
  std::mutex mutex;
  std::vector<std::pair<uint64_t, Noticeboard::Answer>> come;
};

Pump::Pump(PumpOptions options, PumpOutlets outlets, std::vector<std::shared_ptr<Tap>> taps)
    : options_(options),
      outlets_(std::move(outlets)),
      taps_(std::move(taps)),
      told_(options.quiet_us),
      answers_(std::make_shared<Answers>()) {}

void Pump::drain(Now now) {
  for (const auto& tap : taps_) {
    tap->drain([&](const Event& event) { take(event, now); });
  }
  take_answers();
  flush();
  log_drops(now.mono_us);
}

void Pump::finish(Now now) {
  drain(now);
  for (const auto& [number, event] : pending_) tell(*event, false);
  pending_.clear();
  flush();
}

void Pump::take(const Event& event, Now now) {
  if (event.is_logged) log(event, now.mono_us);
  const bool is_news = !event.is_consumer || told_.is_news(event);
  if (event.kind != Kind::kDecision) {
    if (is_news) ask(event);
  } else if (event.is_wanted && !is_capped(event, now)) {
    pass_on(event, outlets_.renderer.object(event));
  }
}

// Each tap has its own cap for what it may bring; this is the one for all of them.
bool Pump::is_capped(const Event& event, Now now) {
  if (!event.is_denial()) return false;
  if (const int64_t second = now.mono_us / kSecondUs; second != second_) {
    second_ = second;
    denials_ = 0;
  }
  if (denials_ < options_.most_denials) {
    ++denials_;
    return false;
  }
  capped_.add(1);
  return true;
}

void Pump::log(const Event& event, int64_t mono_us) {
  const bool is_slow = options_.slow_us > 0 && event.waited_us > options_.slow_us;
  if (is_slow) denial_log_.leave_out(event.left_out);
  const auto left_out =
      is_slow ? slow_log_.admit(mono_us) : denial_log_.admit(mono_us, event.left_out);
  if (!left_out) return;
  Json fields = outlets_.renderer.object(event);
  fields.erase("time_unix_ms");
  fields.erase("kind");
  fields["left_out"] = *left_out;
  telemetry::log_with_fields(is_slow ? spdlog::level::warn : spdlog::level::info,
                             is_slow ? "slow decision" : "denial", fields);
}

void Pump::log_drops(int64_t mono_us) {
  const uint64_t drops = stats().dropped;
  if (drops == drops_logged_ || !drop_log_.admit(mono_us)) return;
  spdlog::warn(
      "{} events were dropped, because more came than could be passed on; lower events_sample or "
      "events_denials_per_second",
      drops - std::exchange(drops_logged_, drops));
}

void Pump::ask(const Event& event) {
  if (outlets_.noticeboard == nullptr) return tell(event, true);
  if (pending_.size() >= options_.most_pending) return tell(event, false);
  const uint64_t number = ++last_pending_;
  pending_.emplace(number, std::make_unique<Event>(event));
  outlets_.noticeboard->put_up(notice_of(event), life_of_notice_ms(event, options_.quiet_us),
                               [answers = answers_, number](Noticeboard::Answer answer) {
                                 const std::lock_guard lock(answers->mutex);
                                 answers->come.emplace_back(number, answer);
                               });
}

void Pump::take_answers() {
  std::vector<std::pair<uint64_t, Noticeboard::Answer>> come;
  {
    const std::lock_guard lock(answers_->mutex);
    come.swap(answers_->come);
  }
  for (const auto& [number, answer] : come) {
    const auto found = pending_.find(number);
    if (found == pending_.end()) continue;
    const std::unique_ptr<Event> event = std::move(found->second);
    pending_.erase(found);
    if (answer != Noticeboard::Answer::kTold) {
      tell(*event, answer == Noticeboard::Answer::kFirst);
    }
  }
}

void Pump::tell(const Event& event, bool is_confirmed) {
  told_count_[static_cast<size_t>(event.kind)].add(1);
  Json object = outlets_.renderer.object(event);
  // Others may have told it too.
  if (!is_confirmed) object["unconfirmed"] = true;
  if (outlets_.threshold) outlets_.threshold(Renderer::line(object));
  pass_on(event, object);
}

void Pump::pass_on(const Event& event, const Json& object) {
  std::string line = Renderer::line(object);
  if (outlets_.sink != nullptr) {
    batch_.push_back(line);
    if (batch_.size() >= options_.batch) flush();
  }
  outlets_.history.add(std::move(line), object.value("consumer", ""), event.is_denial());
}

void Pump::flush() {
  if (batch_.empty()) return;
  outlets_.sink->write(batch_);
  batch_.clear();
}

Pump::Stats Pump::stats() const {
  const auto told = [&](Kind kind) { return told_count_[static_cast<size_t>(kind)].value(); };
  Stats stats{.dropped = 0,
              .capped = capped_.value(),
              .month_80 = told(Kind::kMonth80),
              .month_100 = told(Kind::kMonth100),
              .first_denials = told(Kind::kFirstDenial)};
  for (const auto& tap : taps_) {
    const Tap::Stats of_tap = tap->stats();
    stats.dropped += of_tap.dropped;
    stats.capped += of_tap.capped;
  }
  return stats;
}

}  // namespace quota::events
