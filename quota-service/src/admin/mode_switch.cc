#include "admin/mode_switch.h"

#include <spdlog/spdlog.h>

#include "admin/fields.h"
#include "base/time.h"

namespace quota::admin {

ModeSwitch::~ModeSwitch() { (void)store_.watch_mode(nullptr); }

absl::Status ModeSwitch::follow() {
  return store_.watch_mode([this](const store::ModeRecord& record) {
    apply(record.mode, record.since_unix_ms, Scope::kAll);
  });
}

Reply ModeSwitch::get() const {
  const std::lock_guard lock(mutex_);
  const policy::LivePolicy::ModeInForce mode = live_.mode();
  return json_reply({{"mode", policy::to_string(mode.mode)},
                     {"source", mode.is_override ? "override" : "policy"},
                     {"policy_mode", policy::to_string(mode.policy_mode)},
                     {"scope", scope_ == Scope::kLocal ? "local" : "all"},
                     {"since_unix_ms", mode.since_unix_ms}});
}

Reply ModeSwitch::put(const Request& request) {
  const auto body = parse_object(request.body, {"mode"});
  if (!body.ok()) return problem(body.status());
  const auto word = text_field(*body, "mode");
  if (!word.ok()) return problem(word.status());
  std::optional<policy::Mode> mode;
  if (!store::read_mode_word(*word, mode)) {
    return problem(400, "mode must be one of enforce, shadow, off and policy");
  }
  const auto scope = request.query.find("scope");
  const bool is_local = scope != request.query.end() && scope->second == "local";
  if (scope != request.query.end() && !is_local && scope->second != "all") {
    return problem(400, "scope must be all or local");
  }
  const int64_t now_ms = read_clocks().unix_us / 1000;
  if (is_local) {
    apply(mode, now_ms, Scope::kLocal);
  } else if (const auto recorded = store_.put_mode(mode, now_ms); !recorded.ok()) {
    // Not with the lock held: the store tells of the change before it returns.
    return problem(recorded.status());
  }
  return get();
}

void ModeSwitch::apply(std::optional<policy::Mode> mode, int64_t unix_ms, Scope scope) {
  const std::lock_guard lock(mutex_);
  scope_ = scope;
  live_.override_mode(mode, unix_ms);
  const policy::LivePolicy::ModeInForce now = live_.mode();
  spdlog::log(
      now.is_override ? spdlog::level::warn : spdlog::level::info, "mode {} is in force{}: {}{}",
      policy::to_string(now.mode), scope == Scope::kLocal ? " in this quotad" : "",
      now.is_override ? "it was set, and the policy says " : "no other is set than the policy's ",
      policy::to_string(now.policy_mode));
}

}  // namespace quota::admin
