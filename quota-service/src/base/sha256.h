#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quota {

// API keys are known only by their SHA-256, in memory and on disk.
using Sha256 = std::array<uint8_t, 32>;

Sha256 sha256(std::string_view data);
std::string to_hex(const Sha256& digest);
// Nothing when `hex` is not 64 hexadecimal digits.
std::optional<Sha256> sha256_from_hex(std::string_view hex);

}  // namespace quota
