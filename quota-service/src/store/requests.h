#pragma once

#include <cstdint>

#include "engine/store.h"

// What a store is asked to do, besides to reserve, on its way to the store's thread.
namespace quota::store {

// Exactly so much of the month is spent.
struct Settle {
  engine::MonthKey month;
  int64_t used = 0;
};

// So much more of it is.
struct Spend {
  engine::MonthKey month;
  int64_t amount = 0;
};

}  // namespace quota::store
