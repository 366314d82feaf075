#include <algorithm>

#include "engine/store.h"

namespace quota::engine {

int64_t grant_size(int64_t limit, int64_t used, int64_t cost, int64_t demand) {
  const int64_t remaining = limit - used;
  if (cost > remaining) return 0;
  return std::max(cost, std::min(demand, remaining / 16));
}

}  // namespace quota::engine
