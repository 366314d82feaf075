#pragma once

#include <string>

namespace quota::store {

// For one life of a quotad among all that share a Redis.
std::string random_holder_name();

}  // namespace quota::store
