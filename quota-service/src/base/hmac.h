#pragma once

#include <string_view>

#include "base/sha256.h"

namespace quota {

// HMAC-SHA256: who does not know the key can neither make it nor find out what it is of.
Sha256 hmac_sha256(std::string_view key, std::string_view data);

}  // namespace quota
