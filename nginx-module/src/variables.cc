#include "variables.h"

#include "request.h"

namespace quota {
namespace {

using Value = ngx_http_variable_value_t;

ngx_int_t set_missing(Value* value) {
  value->not_found = 1;
  return NGX_OK;
}

ngx_int_t set_text(Value* value, std::string_view text) {
  if (text.empty()) return set_missing(value);
  value->data = ngx_text(text).data;
  value->len = static_cast<unsigned>(text.size()) & 0x0FFFFFFF;
  value->valid = 1;
  value->no_cacheable = 0;
  value->not_found = 0;
  return NGX_OK;
}

// `format` is for two numbers: the whole and the rest of a fraction.
ngx_int_t set_numbers(ngx_http_request_t* r, Value* value, const char* format, uint64_t whole,
                      uint64_t rest = 0) {
  constexpr size_t kLongest = 2 * NGX_INT64_LEN + 2;
  auto* text = static_cast<u_char*>(ngx_pnalloc(r->pool, kLongest));
  if (text == nullptr) return NGX_ERROR;
  const u_char* end = ngx_snprintf(text, kLongest, format, whole, rest);
  return set_text(value, {reinterpret_cast<char*>(text), static_cast<size_t>(end - text)});
}

ngx_int_t set_number(ngx_http_request_t* r, Value* value, uint64_t number) {
  return set_numbers(r, value, "%uL", number);
}

// nullptr where the variable has no value: nothing was asked, or nothing was answered yet.
const Request* decided(ngx_http_request_t* r) {
  const Request* request = Request::find(r);
  return request != nullptr && request->decided() ? request : nullptr;
}

const Verdict* verdict(ngx_http_request_t* r) {
  const Request* request = decided(r);
  return request != nullptr ? request->verdict() : nullptr;
}

ngx_int_t get_outcome(ngx_http_request_t* r, Value* value, uintptr_t) noexcept {
  const Request* request = decided(r);
  return request ? set_text(value, name_of(request->outcome())) : set_missing(value);
}

ngx_int_t get_reason(ngx_http_request_t* r, Value* value, uintptr_t) noexcept {
  const Request* request = decided(r);
  return request ? set_text(value, request->reason()) : set_missing(value);
}

ngx_int_t get_time(ngx_http_request_t* r, Value* value, uintptr_t) noexcept {
  constexpr uint64_t kSecond = 1'000'000;
  const Request* request = decided(r);
  if (request == nullptr) return set_missing(value);
  return set_numbers(r, value, "%uL.%06uL", request->wait_us() / kSecond,
                     request->wait_us() % kSecond);
}

template <std::string_view Verdict::*kText>
ngx_int_t get_text(ngx_http_request_t* r, Value* value, uintptr_t) noexcept {
  const Verdict* answer = verdict(r);
  return answer ? set_text(value, answer->*kText) : set_missing(value);
}

// In cost units, with three decimals only where they say something.
ngx_int_t get_cost(ngx_http_request_t* r, Value* value, uintptr_t) noexcept {
  const Verdict* answer = verdict(r);
  if (answer == nullptr) return set_missing(value);
  const uint64_t rest = answer->cost_milli % 1000;
  return set_numbers(r, value, rest == 0 ? "%uL" : "%uL.%03uL", answer->cost_milli / 1000, rest);
}

template <std::optional<Limit> Verdict::*kLimit>
const Limit* limit_of(ngx_http_request_t* r) {
  const Verdict* answer = verdict(r);
  return answer != nullptr && answer->*kLimit ? &*(answer->*kLimit) : nullptr;
}

ngx_int_t get_limit(ngx_http_request_t* r, Value* value, uintptr_t) noexcept {
  const Limit* limit = limit_of<&Verdict::minute>(r);
  return limit ? set_number(r, value, limit->limit) : set_missing(value);
}

template <std::optional<Limit> Verdict::*kLimit>
ngx_int_t get_remaining(ngx_http_request_t* r, Value* value, uintptr_t) noexcept {
  const Limit* limit = limit_of<kLimit>(r);
  if (limit == nullptr) return set_missing(value);
  return set_number(r, value, ngx_min(limit->remaining, limit->limit));
}

// Unix seconds, rounded up.
ngx_int_t get_reset(ngx_http_request_t* r, Value* value, uintptr_t) noexcept {
  const Limit* limit = limit_of<&Verdict::minute>(r);
  if (limit == nullptr || limit->reset_unix_ms < 0) return set_missing(value);
  return set_number(r, value, (static_cast<uint64_t>(limit->reset_unix_ms) + 999) / 1000);
}

struct Definition {
  std::string_view name;
  ngx_http_get_variable_pt get;
};

constexpr Definition kVariables[] = {
    {"quota_outcome", get_outcome},
    {"quota_reason", get_reason},
    {"quota_consumer", get_text<&Verdict::consumer>},
    {"quota_tier", get_text<&Verdict::tier>},
    {"quota_endpoint", get_text<&Verdict::endpoint>},
    {"quota_cost", get_cost},
    {"quota_limit", get_limit},
    {"quota_remaining", get_remaining<&Verdict::minute>},
    {"quota_reset", get_reset},
    {"quota_month_remaining", get_remaining<&Verdict::month>},
    {"quota_time", get_time},
};

}  // namespace

bool register_variables(ngx_conf_t* cf) {
  for (const Definition& definition : kVariables) {
    ngx_str_t name = ngx_text(definition.name);
    // Not cacheable: somebody may look before there is a decision.
    ngx_http_variable_t* variable = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (variable == nullptr) return false;
    variable->get_handler = definition.get;
  }
  return true;
}

}  // namespace quota
