#include "worker.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <exception>
#include <memory>

#include "config.h"

namespace quota {
namespace {

struct Worker {
  std::unique_ptr<Client> client;
  WorkerMetrics* metrics = nullptr;
  Facts facts;
};

Worker worker;  // NOLINT: nginx runs a worker per process, and calls back without an argument
WorkerMetrics unshared_metrics;

// Requests that wait keep their pools alive together. With glibc's defaults the top of the heap
// then goes back to the kernel whenever a batch of them ends, and faults in again with the next:
// one or two microseconds of each request.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
#endif
}

// quota_log_level of the http block, as the connection belongs to no location.
ngx_uint_t log_level(ngx_cycle_t* cycle) {
  auto* http =
      reinterpret_cast<ngx_http_conf_ctx_t*>(ngx_get_conf(cycle->conf_ctx, ngx_http_module));
  const auto* config =
      static_cast<LocationConfig*>(http->loc_conf[ngx_http_quota_module.ctx_index]);
  return config->log_level == NGX_CONF_UNSET_UINT ? kDefaultLogLevel : config->log_level;
}

}  // namespace

Client* worker_client() { return worker.client.get(); }

WorkerMetrics& worker_metrics() {
  return worker.metrics != nullptr ? *worker.metrics : unshared_metrics;
}

Facts& worker_facts() { return worker.facts; }

ngx_int_t start_worker(ngx_cycle_t* cycle) noexcept {
  if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) return NGX_OK;
  const auto* main =
      static_cast<MainConfig*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_quota_module));
  if (main == nullptr || main->address_count == 0) return NGX_OK;

  if (main->malloc_tuning) keep_freed_memory();
  if (MetricsTable* table = main->metrics()) worker.metrics = table->worker(ngx_worker);
  try {
    worker.client = std::make_unique<Client>(
        Client::Settings{main->pass(), log_level(cycle), &worker_metrics()});
  } catch (const std::exception&) {
    ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "quota: no memory to start this worker with");
    return NGX_ERROR;
  }
  return NGX_OK;
}

void stop_worker(ngx_cycle_t*) noexcept { worker.client.reset(); }

}  // namespace quota
