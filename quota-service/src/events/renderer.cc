#include "events/renderer.h"

#include <utility>

#include "base/hmac.h"
#include "base/ip.h"
#include "events/trace.h"
#include "telemetry/units.h"

namespace quota::events {
namespace {

using Json = nlohmann::ordered_json;
using Field = Event::Field;
using telemetry::units;

// Half of a SHA-256 is enough to tell millions apart.
constexpr size_t kHashDigits = 32;

void add_text(Json& object, const char* name, std::string_view text) {
  if (!text.empty()) object[name] = std::string(text);
}

}  // namespace

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::kDecision:
      return "decision";
    case Kind::kMonth80:
      return "month_80";
    case Kind::kMonth100:
      return "month_100";
    case Kind::kFirstDenial:
      return "first_denial";
  }
  return "unspecified";
}

std::string Renderer::hashed(std::string_view name) const {
  return to_hex(hmac_sha256(hash_key_, name)).substr(0, kHashDigits);
}

const std::string& Renderer::remembered(std::string_view name) {
  const auto found = hashes_.find(name);
  if (found != hashes_.end()) return found->second;
  if (hashes_.size() >= kMostRemembered) hashes_.clear();
  return hashes_.emplace(std::string(name), hashed(name)).first->second;
}

std::vector<std::string> Renderer::names_of(std::string_view consumer) const {
  switch (privacy_) {
    case Privacy::kFull:
      return {std::string(consumer)};
    case Privacy::kHashed:
      return {std::string(consumer), hashed(consumer)};
    case Privacy::kMinimal:
      break;
  }
  return {};
}

Json Renderer::object(const Event& event) {
  const bool is_minimal = privacy_ == Privacy::kMinimal;
  Json object = {{"time_unix_ms", event.unix_us / 1000},
                 {"kind", to_string(event.kind)},
                 {"outcome", engine::to_string(event.outcome)},
                 {"reason", engine::to_string(event.reason)}};
  const std::string_view consumer = event.get(Field::kConsumer);
  if (!consumer.empty() && !is_minimal) {
    // Who is told of a threshold has to know whose it is.
    const bool is_named = privacy_ == Privacy::kFull || event.kind != Kind::kDecision;
    object["consumer"] = is_named ? std::string(consumer) : remembered(consumer);
  }
  add_text(object, "tier", event.get(Field::kTier));
  add_text(object, "endpoint", event.get(Field::kEndpoint));
  add_text(object, "method", event.get(Field::kMethod));
  if (privacy_ == Privacy::kFull) add_text(object, "path", event.get(Field::kPath));
  if (const auto address = IpAddress::from_bytes(event.get(Field::kClientIp));
      address && !is_minimal) {
    const std::string text = address->to_string();
    object["client_ip"] = privacy_ == Privacy::kFull ? text : remembered(text);
  }
  object["cost"] = units(event.cost_milli);
  object["hits"] = event.hits;
  if (event.minute.limit >= 0) {
    object["minute_limit"] = units(event.minute.limit);
    object["minute_remaining"] = units(event.minute.remaining);
  }
  if (event.month.limit >= 0) {
    object["month_limit"] = units(event.month.limit);
    object["month_remaining"] = units(event.month.remaining);
    object["month_reset_unix_ms"] = event.month.reset_unix_us / 1000;
  }
  object["retry_after_ms"] = event.retry_after_us / 1000;
  object["shadow"] = event.shadow;
  object["degraded"] = event.degraded;
  object["waited_us"] = event.waited_us;
  if (!is_minimal) add_text(object, "trace_id", trace_id_of(event.get(Field::kTrace)));
  return object;
}

std::string Renderer::line(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace quota::events
