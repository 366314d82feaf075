#include "metrics_page.h"

#include <exception>
#include <string>

#include "config.h"

namespace quota {
namespace {

ngx_int_t init_zone(ngx_shm_zone_t* zone, void* old_data) noexcept {
  auto* pool = reinterpret_cast<ngx_slab_pool_t*>(zone->shm.addr);
  if (old_data != nullptr) {  // a reload: the counters go on
    zone->data = old_data;
    return NGX_OK;
  }
  if (zone->shm.exists) {
    zone->data = pool->data;
    return NGX_OK;
  }
  zone->data = ngx_slab_calloc(pool, sizeof(MetricsTable));
  pool->data = zone->data;
  return zone->data != nullptr ? NGX_OK : NGX_ERROR;
}

size_t running_workers() {
  const auto* core =
      reinterpret_cast<const ngx_core_conf_t*>(ngx_get_conf(ngx_cycle->conf_ctx, ngx_core_module));
  return static_cast<size_t>(core->worker_processes);
}

ngx_int_t answer(ngx_http_request_t* r, std::string_view text) {
  const std::string_view body = copy_text(r->pool, text);
  if (body.empty()) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  ngx_str_t type = ngx_string("text/plain; version=0.0.4");
  ngx_http_complex_value_t value{};
  value.value = ngx_text(body);
  return ngx_http_send_response(r, NGX_HTTP_OK, &type, &value);
}

}  // namespace

ngx_shm_zone_t* add_metrics_zone(ngx_conf_t* cf) {
  ngx_str_t name = ngx_string("ngx_http_quota_metrics");
  // The slab allocator needs some pages for itself.
  const size_t size = sizeof(MetricsTable) + 16 * ngx_pagesize;
  ngx_shm_zone_t* zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_quota_module);
  if (zone != nullptr) zone->init = init_zone;
  return zone;
}

ngx_int_t metrics_page(ngx_http_request_t* r) noexcept {
  if ((r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) return NGX_HTTP_NOT_ALLOWED;
  const MetricsTable* table = main_config(r)->metrics();
  if (table == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  try {
    return answer(r, table->render(running_workers()));
  } catch (const std::exception&) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
}

}  // namespace quota
