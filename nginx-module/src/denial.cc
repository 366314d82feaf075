#include "denial.h"

#include <exception>
#include <string>

#include "problem.h"

namespace quota {
namespace {

// As anywhere in nginx: close the connection, answer nothing.
constexpr ngx_uint_t kCloseSilently = 444;

std::string problem_for(const Request& request) {
  const ngx_uint_t status = denial_status(request);
  switch (request.outcome()) {
    case Outcome::kUnauthenticated:
      return unauthenticated_problem(status);
    case Outcome::kErrorDenied:
      return unavailable_problem(status, request.retry_after_s());
    case Outcome::kLocalDenied:
      return local_limit_problem(status, request.retry_after_s());
    default:
      return quota_problem(status, *request.verdict(), request.retry_after_s());
  }
}

ngx_int_t send(ngx_http_request_t* r, const Request& request) {
  const std::string_view body = copy_text(r->pool, problem_for(request));
  if (body.empty()) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  ngx_str_t type = ngx_string("application/problem+json");
  ngx_http_complex_value_t value{};
  value.value = ngx_text(body);
  return ngx_http_send_response(r, denial_status(request), &type, &value);
}

ngx_int_t answer(ngx_http_request_t* r, const Request& request) {
  const ngx_uint_t status = denial_status(request);
  if (!request.config().body || status == kCloseSilently) return static_cast<ngx_int_t>(status);
  try {
    return send(r, request);
  } catch (const std::exception&) {
    return static_cast<ngx_int_t>(status);
  }
}

}  // namespace

ngx_uint_t denial_status(const Request& request) {
  switch (request.outcome()) {
    case Outcome::kUnauthenticated:
      return NGX_HTTP_UNAUTHORIZED;
    case Outcome::kErrorDenied:
      return NGX_HTTP_SERVICE_UNAVAILABLE;
    default:
      return request.config().status;
  }
}

// The access phase would read a returned 401 or 403 as one opinion of several under `satisfy any`,
// so the request is ended here in every phase.
ngx_int_t deny(ngx_http_request_t* r, const Request& request) noexcept {
  ngx_http_finalize_request(r, answer(r, request));
  return NGX_DONE;
}

}  // namespace quota
