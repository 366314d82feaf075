// SipHash-2-4: a hash whose collisions nobody can aim at without the key.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

namespace quota {

using SipKey = std::array<uint64_t, 2>;

inline uint64_t siphash(const SipKey& key, std::string_view data) {
  uint64_t v0 = 0x736f6d6570736575 ^ key[0];
  uint64_t v1 = 0x646f72616e646f6d ^ key[1];
  uint64_t v2 = 0x6c7967656e657261 ^ key[0];
  uint64_t v3 = 0x7465646279746573 ^ key[1];

  auto round = [&] {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  };
  auto absorb = [&](uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  };

  uint64_t word = 0;
  for (size_t i = 0; i < data.size(); ++i) {
    word |= uint64_t{static_cast<uint8_t>(data[i])} << (8 * (i % 8));
    if (i % 8 == 7) {
      absorb(word);
      word = 0;
    }
  }
  absorb(word | (uint64_t{data.size()} << 56));

  v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace quota
