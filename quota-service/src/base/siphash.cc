#include "base/siphash.h"

#include <openssl/rand.h>

#include <bit>
#include <cstring>
#include <stdexcept>

namespace quota {
namespace {

static_assert(std::endian::native == std::endian::little, "SipHash reads little-endian words");

struct State {
  uint64_t v0, v1, v2, v3;

  void round() {
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
  }

  void absorb(uint64_t word) {
    v3 ^= word;
    round();
    v0 ^= word;
  }

  uint64_t finish() {
    round();
    round();
    round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace

SipKey random_sip_key() {
  SipKey key;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&key), sizeof key) != 1) {
    throw std::runtime_error("the operating system gives no random bytes");
  }
  return key;
}

Hash128 siphash128(const SipKey& key, std::string_view data) {
  State state{key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d ^ 0xee,
              key.k0 ^ 0x6c7967656e657261, key.k1 ^ 0x7465646279746573};
  const char* at = data.data();
  const char* const whole = at + data.size() / 8 * 8;
  for (; at != whole; at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    state.absorb(word);
  }
  uint64_t last = uint64_t{data.size()} << 56;
  for (size_t i = 0; i < data.size() % 8; ++i) {
    last |= uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  }
  state.absorb(last);

  Hash128 hash;
  state.v2 ^= 0xee;
  hash.low = state.finish();
  state.v1 ^= 0xdd;
  hash.high = state.finish();
  return hash;
}

}  // namespace quota
