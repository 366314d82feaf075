#include "local_limit.h"

#include <sys/random.h>

#include "clock.h"

namespace quota {
namespace {

constexpr size_t kIpv6PrefixBytes = 8;

// Another process may die while it holds the lock; nginx's master then frees it, as it knows the
// mutex of every zone's slab pool.
class ZoneLock {
 public:
  explicit ZoneLock(ngx_shm_zone_t* zone)
      : mutex_(&reinterpret_cast<ngx_slab_pool_t*>(zone->shm.addr)->mutex) {
    ngx_shmtx_lock(mutex_);
  }
  ~ZoneLock() { ngx_shmtx_unlock(mutex_); }
  ZoneLock(const ZoneLock&) = delete;
  ZoneLock& operator=(const ZoneLock&) = delete;

 private:
  ngx_shmtx_t* mutex_;
};

}  // namespace

// What lies in the zone. A reload finds it again through the slab pool.
struct LocalLimit::Table {
  SipKey key;
  size_t sets;
  GcraTable::Entry* entries;
};

LocalLimit* LocalLimit::create(ngx_conf_t* cf, ngx_str_t name, size_t size, const Rate& rate) {
  auto* limit = static_cast<LocalLimit*>(ngx_pcalloc(cf->pool, sizeof(LocalLimit)));
  if (limit == nullptr) return nullptr;
  limit->zone_ = ngx_shared_memory_add(cf, &name, size, &ngx_http_quota_module);
  if (limit->zone_ == nullptr) return nullptr;
  limit->zone_->init = init_zone;
  limit->rate_ = rate;
  return limit;
}

ngx_int_t LocalLimit::init_zone(ngx_shm_zone_t* zone, void* old_data) noexcept {
  auto* pool = reinterpret_cast<ngx_slab_pool_t*>(zone->shm.addr);
  if (old_data != nullptr) {  // a reload: the limits go on where they were
    zone->data = old_data;
    return NGX_OK;
  }
  if (zone->shm.exists) {
    zone->data = pool->data;
    return NGX_OK;
  }

  auto* table = static_cast<Table*>(ngx_slab_calloc(pool, sizeof(Table)));
  if (table == nullptr) return NGX_ERROR;
  // All pages that are left, in one piece: nothing else is ever allocated here.
  const size_t bytes = pool->pfree * ngx_pagesize;
  table->entries = static_cast<GcraTable::Entry*>(ngx_slab_calloc(pool, bytes));
  if (table->entries == nullptr) return NGX_ERROR;
  table->sets = bytes / GcraTable::kSetBytes;
  if (getrandom(table->key.data(), sizeof(table->key), 0) != sizeof(table->key)) {
    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, ngx_errno,
                  "quota: no random numbers for quota_local_zone \"%V\"", &zone->shm.name);
    return NGX_ERROR;
  }
  pool->data = table;
  zone->data = table;
  return NGX_OK;
}

uint64_t LocalLimit::admit(std::string_view address) {
  const auto* shared = static_cast<const Table*>(zone_->data);
  GcraTable table{shared->entries, shared->sets, shared->key};
  if (address.size() > kIpv6PrefixBytes) address = address.substr(0, kIpv6PrefixBytes);
  const uint64_t now = monotonic_us();
  const ZoneLock lock{zone_};
  return table.admit(address, rate_, now);
}

}  // namespace quota
