#include "config.h"

namespace quota {
namespace {

char* const kError = static_cast<char*>(NGX_CONF_ERROR);

template <typename Config>
Config* create_config(ngx_conf_t* cf) {
  return static_cast<Config*>(ngx_pcalloc(cf->pool, sizeof(Config)));
}

// What can only be judged when everything has been read.
bool check(ngx_conf_t* cf, const MainConfig& main, const LocationConfig& location) {
  if (location.enabled && main.address_count == 0) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"quota on\" needs the sidecar's address: add \"quota_pass "
                       "unix:/run/quota/quota.sock;\" to the http block");
    return false;
  }
  if (location.on_error() == OnError::kLocal && main.local == nullptr) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"quota_on_error local\" needs memory to count in: add "
                       "\"quota_local_zone quota:10m rate=30r/m;\" to the http block");
    return false;
  }
  return true;
}

}  // namespace

void* create_main_config(ngx_conf_t* cf) noexcept {
  auto* config = create_config<MainConfig>(cf);
  if (config != nullptr) config->malloc_tuning = NGX_CONF_UNSET;
  return config;
}

char* init_main_config(ngx_conf_t*, void* config) noexcept {
  auto* main = static_cast<MainConfig*>(config);
  ngx_conf_init_value(main->malloc_tuning, 1);
  return NGX_CONF_OK;
}

void* create_location_config(ngx_conf_t* cf) noexcept {
  auto* config = create_config<LocationConfig>(cf);
  if (config == nullptr) return nullptr;
  config->enabled = NGX_CONF_UNSET;
  config->phase_choice = NGX_CONF_UNSET_UINT;
  config->timeout = NGX_CONF_UNSET_MSEC;
  config->on_error_choice = NGX_CONF_UNSET_UINT;
  config->status = NGX_CONF_UNSET_UINT;
  config->headers_choice = NGX_CONF_UNSET_UINT;
  config->body = NGX_CONF_UNSET;
  config->dry_run = NGX_CONF_UNSET;
  config->log_level = NGX_CONF_UNSET_UINT;
  return config;
}

char* merge_location_config(ngx_conf_t* cf, void* parent, void* child) noexcept {
  constexpr ngx_msec_t kDefaultTimeout = 20;
  constexpr ngx_uint_t kDefaultStatus = 429;

  const auto* above = static_cast<const LocationConfig*>(parent);
  auto* config = static_cast<LocationConfig*>(child);
  // Looking at the counters does not count, unless the location itself says so.
  if (config->is_metrics_page) ngx_conf_init_value(config->enabled, 0);
  ngx_conf_merge_value(config->enabled, above->enabled, 0);
  ngx_conf_merge_uint_value(config->phase_choice, above->phase_choice,
                            static_cast<ngx_uint_t>(Phase::kPrecontent));
  ngx_conf_merge_msec_value(config->timeout, above->timeout, kDefaultTimeout);
  ngx_conf_merge_uint_value(config->on_error_choice, above->on_error_choice,
                            static_cast<ngx_uint_t>(OnError::kAllow));
  ngx_conf_merge_uint_value(config->status, above->status, kDefaultStatus);
  ngx_conf_merge_uint_value(config->headers_choice, above->headers_choice,
                            static_cast<ngx_uint_t>(HeaderStyle::kBoth));
  ngx_conf_merge_value(config->body, above->body, 1);
  ngx_conf_merge_value(config->dry_run, above->dry_run, 0);
  ngx_conf_merge_uint_value(config->log_level, above->log_level, kDefaultLogLevel);
  if (config->attribute_list == nullptr) config->attribute_list = above->attribute_list;

  auto* main =
      static_cast<MainConfig*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_quota_module));
  if (config->enabled) main->phase_used[config->phase_choice] = true;
  return check(cf, *main, *config) ? NGX_CONF_OK : kError;
}

}  // namespace quota
