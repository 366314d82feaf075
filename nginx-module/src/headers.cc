#include "headers.h"

#include <algorithm>

#include "denial.h"
#include "ngx.h"
#include "rate_headers.h"
#include "request.h"

namespace quota {
namespace {

ngx_http_output_header_filter_pt next_filter;

bool is_same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ngx_strncasecmp(ngx_text(a).data, ngx_text(b).data, a.size()) == 0;
}

// What an upstream says of limits of its own must not stand beside what the gateway enforces.
void remove_existing(ngx_http_request_t* r, std::span<const Header> headers) {
  for (ngx_list_part_t* part = &r->headers_out.headers.part; part; part = part->next) {
    auto* existing = static_cast<ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (existing[i].hash == 0) continue;
      const std::string_view name = view(existing[i].key);
      if (std::any_of(headers.begin(), headers.end(),
                      [name](const Header& header) { return is_same_name(name, header.name); })) {
        existing[i].hash = 0;
      }
    }
  }
}

bool push(ngx_http_request_t* r, const Header& header) {
  auto* place = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
  if (place == nullptr) return false;
  *place = {};
  place->hash = 1;
  place->key = ngx_text(header.name);
  place->value = ngx_text(header.value);
  return true;
}

int64_t now_unix_ms() {
  const ngx_time_t* now = ngx_timeofday();
  return static_cast<int64_t>(now->sec) * 1000 + static_cast<int64_t>(now->msec);
}

void add_limits(RateHeaders* headers, const Request& request) {
  const Verdict* verdict = request.verdict();
  const HeaderStyle style = request.config().headers();
  if (verdict == nullptr || style == HeaderStyle::kOff) return;
  if (style != HeaderStyle::kIetf) headers->add_legacy(*verdict);
  if (style != HeaderStyle::kLegacy) headers->add_ietf(*verdict, now_unix_ms());
  headers->add_tier(verdict->tier);
}

void add_refusal(RateHeaders* headers, const Request& request) {
  if (!request.refused()) return;
  headers->add("Cache-Control", "no-store");
  if (request.outcome() == Outcome::kUnauthenticated) {
    headers->add("WWW-Authenticate", "Bearer");
  } else {
    headers->add_retry_after(request.retry_after_s());
  }
}

ngx_int_t filter(ngx_http_request_t* r) noexcept {
  const Request* request = r == r->main ? Request::find(r) : nullptr;
  if (request == nullptr || !request->decided()) return next_filter(r);

  auto* text = static_cast<char*>(ngx_pnalloc(r->pool, RateHeaders::kTextBytes));
  if (text == nullptr) return NGX_ERROR;
  RateHeaders headers{std::span<char, RateHeaders::kTextBytes>{text, RateHeaders::kTextBytes}};
  add_limits(&headers, *request);
  add_refusal(&headers, *request);

  remove_existing(r, headers.get());
  for (const Header& header : headers.get()) {
    if (!push(r, header)) return NGX_ERROR;
  }
  return next_filter(r);
}

}  // namespace

void install_header_filter() {
  next_filter = ngx_http_top_header_filter;
  ngx_http_top_header_filter = filter;
}

}  // namespace quota
