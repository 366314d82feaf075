// What a worker process has one of.
#pragma once

#include "attributes.h"
#include "client.h"
#include "metrics.h"
#include "ngx.h"

namespace quota {

// nullptr where nothing is ever asked: in nginx's master and helpers, and without quota_pass.
Client* worker_client();

// This worker's counters; process-local ones when the shared memory is not to be had.
WorkerMetrics& worker_metrics();

// Where the facts of one check are gathered, until it is in a batch. Making them anew would clear a
// kilobyte for each.
Facts& worker_facts();

ngx_int_t start_worker(ngx_cycle_t* cycle) noexcept;
void stop_worker(ngx_cycle_t* cycle) noexcept;

}  // namespace quota
