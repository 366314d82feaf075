// What nginx loads.
#include "config.h"
#include "handler.h"
#include "headers.h"
#include "metrics_page.h"
#include "ngx.h"
#include "variables.h"
#include "worker.h"

namespace quota {
namespace {

ngx_int_t before_configuration(ngx_conf_t* cf) noexcept {
  return register_variables(cf) ? NGX_OK : NGX_ERROR;
}

ngx_int_t after_configuration(ngx_conf_t* cf) noexcept {
  auto* main =
      static_cast<MainConfig*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_quota_module));
  main->metrics_zone = add_metrics_zone(cf);
  if (main->metrics_zone == nullptr || !register_handlers(cf)) return NGX_ERROR;
  install_header_filter();
  return NGX_OK;
}

ngx_http_module_t context = {
    before_configuration,
    after_configuration,
    create_main_config,
    init_main_config,
    nullptr,  // no server configuration
    nullptr,
    create_location_config,
    merge_location_config,
};

}  // namespace
}  // namespace quota

ngx_module_t ngx_http_quota_module = {
    NGX_MODULE_V1,
    &quota::context,
    quota::commands,
    NGX_HTTP_MODULE,
    nullptr,              // init master
    nullptr,              // init module
    quota::start_worker,  // init process
    nullptr,              // init thread
    nullptr,              // exit thread
    quota::stop_worker,   // exit process
    nullptr,              // exit master
    NGX_MODULE_V1_PADDING,
};
