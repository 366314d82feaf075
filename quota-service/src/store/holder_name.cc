#include "store/holder_name.h"

#include <fmt/format.h>

#include <random>

namespace quota::store {

std::string random_holder_name() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

}  // namespace quota::store
