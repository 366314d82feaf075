// `quota_metrics`: the location that shows the counters, and the shared memory they live in.
#pragma once

#include "metrics.h"
#include "ngx.h"

namespace quota {

// Adds the zone to the configuration that is being read. nullptr when nginx refuses it.
ngx_shm_zone_t* add_metrics_zone(ngx_conf_t* cf);

// Content handler.
ngx_int_t metrics_page(ngx_http_request_t* r) noexcept;

}  // namespace quota
