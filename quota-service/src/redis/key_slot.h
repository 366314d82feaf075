#pragma once

#include <string_view>

namespace quota::redis {

constexpr int kSlots = 16384;

// The slot of a cluster that a key belongs to: by what is between the first '{' and the next '}',
// if there is anything, so that keys can be kept together.
int key_slot(std::string_view key);

}  // namespace quota::redis
