#include "admin/amounts.h"

namespace quota::admin {
namespace {

Json limit_json(int64_t milli) { return milli == policy::Limits::kNone ? Json() : units(milli); }

}  // namespace

Json limits_json(const policy::Limits& limits) {
  return {{"requests_per_minute", limit_json(limits.minute)},
          {"monthly_quota", limit_json(limits.month)},
          {"unlimited", limits.unlimited()}};
}

Json patch_json(const policy::LimitsPatch& patch) {
  Json json = Json::object();
  if (patch.minute) json["requests_per_minute"] = limit_json(*patch.minute);
  if (patch.month) json["monthly_quota"] = limit_json(*patch.month);
  return json;
}

Json state_json(const engine::LimitState& state) {
  if (state.limit < 0) return nullptr;
  return {{"limit", units(state.limit)},
          {"remaining", units(state.remaining)},
          {"reset_unix_ms", state.reset_unix_us / 1000},
          {"window_s", state.window_s}};
}

}  // namespace quota::admin
