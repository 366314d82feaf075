#pragma once

#include <cstdint>
#include <string_view>

namespace quota {

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;

  friend bool operator==(const Hash128&, const Hash128&) = default;
};

// Sixteen bytes of the operating system's randomness. Throws when there is none to be had.
SipKey random_sip_key();

// SipHash-1-3 with a 128-bit result. For whoever does not know the key it is as good as a random
// function, so a 128-bit result can stand for a secret in a table without the secret being there.
Hash128 siphash128(const SipKey& key, std::string_view data);

}  // namespace quota
