// The directives, and what nginx.conf says with them.
#pragma once

#include <span>
#include <string_view>

#include "attributes.h"
#include "local_limit.h"
#include "metrics.h"
#include "ngx.h"

namespace quota {

enum class Phase : ngx_uint_t { kPreaccess, kAccess, kPrecontent };
enum class OnError : ngx_uint_t { kAllow, kDeny, kLocal };
enum class HeaderStyle : ngx_uint_t { kLegacy, kIetf, kBoth, kOff };

// Of the http block. Lives in the configuration's pool, zeroed.
struct MainConfig {
  ngx_addr_t* addresses;  // of quota_pass
  ngx_uint_t address_count;
  LocalLimit* local;
  ngx_shm_zone_t* metrics_zone;
  ngx_flag_t malloc_tuning;
  bool phase_used[3];  // indexed by Phase

  std::span<const ngx_addr_t> pass() const { return {addresses, address_count}; }
  // nullptr before the zone is there.
  MetricsTable* metrics() const {
    return metrics_zone ? static_cast<MetricsTable*>(metrics_zone->data) : nullptr;
  }
};

// Of one location.
struct LocationConfig {
  ngx_flag_t enabled;
  ngx_array_t* attribute_list;  // of Attribute*; nullptr: those of the level above
  ngx_uint_t phase_choice;
  ngx_msec_t timeout;
  ngx_uint_t on_error_choice;
  ngx_uint_t status;
  ngx_uint_t headers_choice;
  ngx_flag_t body;
  ngx_flag_t dry_run;
  ngx_uint_t log_level;
  bool is_metrics_page;

  Phase phase() const { return static_cast<Phase>(phase_choice); }
  OnError on_error() const { return static_cast<OnError>(on_error_choice); }
  HeaderStyle headers() const { return static_cast<HeaderStyle>(headers_choice); }
  std::span<Attribute* const> attributes() const {
    if (attribute_list == nullptr) return {};
    return {static_cast<Attribute* const*>(attribute_list->elts), attribute_list->nelts};
  }
};

inline constexpr ngx_uint_t kDefaultLogLevel = NGX_LOG_WARN;

extern ngx_command_t commands[];

void* create_main_config(ngx_conf_t* cf) noexcept;
char* init_main_config(ngx_conf_t* cf, void* config) noexcept;
void* create_location_config(ngx_conf_t* cf) noexcept;
char* merge_location_config(ngx_conf_t* cf, void* parent, void* child) noexcept;

inline MainConfig* main_config(ngx_http_request_t* r) {
  return static_cast<MainConfig*>(ngx_http_get_module_main_conf(r, ngx_http_quota_module));
}
inline LocationConfig* location_config(ngx_http_request_t* r) {
  return static_cast<LocationConfig*>(ngx_http_get_module_loc_conf(r, ngx_http_quota_module));
}

}  // namespace quota
