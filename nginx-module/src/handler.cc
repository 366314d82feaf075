#include "handler.h"

#include "config.h"
#include "denial.h"
#include "request.h"

namespace quota {
namespace {

// Leaves the request where it is until its connection's write event runs the phases again. nginx
// keeps the reference a phase handler holds; there is nothing to count.
ngx_int_t park(ngx_http_request_t* r) {
  r->write_event_handler = ngx_http_core_run_phases;
  // Another module that watches the connection, or still reads the body, is left to it.
  if (r->read_event_handler != ngx_http_block_reading) return NGX_AGAIN;

  // A client that goes away must not be answered at length.
  r->read_event_handler = ngx_http_test_reading;
  ngx_event_t* read = r->connection->read;
  if (read->ready) {
    ngx_post_event(read, &ngx_posted_events);
  } else if (ngx_handle_read_event(read, 0) != NGX_OK) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  return NGX_AGAIN;
}

void unpark(ngx_http_request_t* r) {
  if (r->read_event_handler == ngx_http_test_reading) {
    r->read_event_handler = ngx_http_block_reading;
  }
}

// Never NGX_OK for a request that may go on: under `satisfy any` that would grant it access.
template <Phase kPhase>
ngx_int_t handle(ngx_http_request_t* r) noexcept {
  const LocationConfig* config = location_config(r);
  if (!config->enabled || config->phase() != kPhase || r != r->main) return NGX_DECLINED;

  Request* request = Request::find(r);
  if (request == nullptr) {
    request = Request::create(r, config);
    if (request == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    request->ask();
    if (request->pending()) return park(r);
  } else if (request->pending()) {
    return NGX_AGAIN;  // some other event of the client's
  }

  if (!request->take_enforcement()) return NGX_DECLINED;
  unpark(r);
  return request->refused() ? deny(r, *request) : NGX_DECLINED;
}

bool add_handler(ngx_conf_t* cf, ngx_http_phases phase, ngx_http_handler_pt handler) {
  auto* core = static_cast<ngx_http_core_main_conf_t*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  auto* place = static_cast<ngx_http_handler_pt*>(ngx_array_push(&core->phases[phase].handlers));
  if (place == nullptr) return false;
  *place = handler;
  return true;
}

}  // namespace

bool register_handlers(ngx_conf_t* cf) {
  const auto* main =
      static_cast<MainConfig*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_quota_module));
  auto used = [main](Phase phase) { return main->phase_used[static_cast<size_t>(phase)]; };

  if (used(Phase::kPreaccess) &&
      !add_handler(cf, NGX_HTTP_PREACCESS_PHASE, handle<Phase::kPreaccess>)) {
    return false;
  }
  if (used(Phase::kAccess) && !add_handler(cf, NGX_HTTP_ACCESS_PHASE, handle<Phase::kAccess>)) {
    return false;
  }
  return !used(Phase::kPrecontent) ||
         add_handler(cf, NGX_HTTP_PRECONTENT_PHASE, handle<Phase::kPrecontent>);
}

}  // namespace quota
