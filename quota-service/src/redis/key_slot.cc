#include "redis/key_slot.h"

#include <array>
#include <cstdint>

namespace quota::redis {
namespace {

// CRC-16/XMODEM: x^16 + x^12 + x^5 + 1, from zero, not reflected.
constexpr std::array<uint16_t, 256> make_table() {
  std::array<uint16_t, 256> table{};
  for (size_t byte = 0; byte < table.size(); ++byte) {
    auto crc = static_cast<uint16_t>(byte << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<uint16_t, 256> kTable = make_table();

std::string_view hashed_part(std::string_view key) {
  const size_t open = key.find('{');
  if (open == std::string_view::npos) return key;
  const size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

}  // namespace

int key_slot(std::string_view key) {
  uint16_t crc = 0;
  for (const char c : hashed_part(key)) {
    const auto index = static_cast<uint8_t>(crc >> 8 ^ static_cast<uint8_t>(c));
    crc = static_cast<uint16_t>(crc << 8 ^ kTable[index]);
  }
  return crc % kSlots;
}

}  // namespace quota::redis
