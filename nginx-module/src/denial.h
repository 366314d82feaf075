// The answer to a request that is refused.
#pragma once

#include "ngx.h"
#include "request.h"

namespace quota {

// The status a refused request is answered with.
ngx_uint_t denial_status(const Request& request);

// Answers, and returns what the phase handler must.
ngx_int_t deny(ngx_http_request_t* r, const Request& request) noexcept;

}  // namespace quota
