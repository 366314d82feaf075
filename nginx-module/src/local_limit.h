// `quota_on_error local`: a rate limit by address in shared memory, for when the sidecar is away.
#pragma once

#include <string_view>

#include "gcra_table.h"
#include "ngx.h"

namespace quota {

class LocalLimit {
 public:
  // The smallest zone that is worth having.
  static constexpr size_t min_zone_size() { return 32 * 1024; }

  // Adds the zone to the configuration that is being read. nullptr when nginx refuses it, which
  // has then been logged.
  static LocalLimit* create(ngx_conf_t* cf, ngx_str_t name, size_t size, const Rate& rate);

  // 0 if the request is admitted, else how long until one would be, in microseconds. IPv6
  // addresses count by /64, as that is what one subscriber gets.
  uint64_t admit(std::string_view address);

 private:
  struct Table;

  static ngx_int_t init_zone(ngx_shm_zone_t* zone, void* old_data) noexcept;

  Rate rate_;
  ngx_shm_zone_t* zone_;
};

}  // namespace quota
