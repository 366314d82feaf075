// Protobuf's wire format, read in place.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace quota {

enum class WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// A field's number and how it is written, in one.
template <typename Field>
constexpr uint32_t wire_key(Field field, WireType type) {
  return static_cast<uint32_t>(field) << 3 | static_cast<uint32_t>(type);
}

// Walks the fields of a message:
//
//   while (reader.next()) {
//     switch (reader.key()) {
//       case wire_key(1, WireType::kVarint): id = reader.number(); break;
//       default: reader.skip();
//     }
//   }
//   if (!reader.ok()) …
//
// It never reads beyond the message, whatever that holds. At the first fault the walk ends, and
// values read since are 0 or empty.
class WireReader {
 public:
  explicit WireReader(std::string_view message)
      : at_(message.data()), end_(message.data() + message.size()) {}

  // Goes on to the next field. The value of the last one must have been read, or skipped.
  bool next() {
    if (at_ == end_) return false;
    const uint64_t key = varint();
    key_ = static_cast<uint32_t>(key);
    // Numbers begin with 1 and end below 2^29.
    if (key < 8 || key > UINT32_MAX) fault();
    return !faulty_;
  }

  uint32_t key() const { return key_; }
  bool ok() const { return !faulty_; }
  // What has not been read yet.
  std::string_view rest() const { return {at_, left()}; }

  uint64_t number() { return varint(); }

  std::string_view bytes() {
    const uint64_t size = varint();
    if (size > left()) {
      fault();
      return {};
    }
    const std::string_view found(at_, static_cast<size_t>(size));
    at_ += size;
    return found;
  }

  void skip() {
    switch (static_cast<WireType>(key_ & 7)) {
      case WireType::kVarint:
        varint();
        break;
      case WireType::kFixed64:
        advance(8);
        break;
      case WireType::kBytes:
        bytes();
        break;
      case WireType::kFixed32:
        advance(4);
        break;
      default:  // groups, which proto3 does not have
        fault();
    }
  }

 private:
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  void advance(size_t size) {
    if (size > left()) return fault();
    at_ += size;
  }

  uint64_t varint() {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) return static_cast<uint8_t>(*at_++);
    return long_varint();
  }

  uint64_t long_varint() {
    if (std::endian::native == std::endian::little && left() >= sizeof(uint64_t)) {
      // Times and limits take three to six bytes: without a branch for each of them.
      uint64_t value;
      std::memcpy(&value, at_, sizeof(value));
      const uint64_t ends = ~value & 0x8080808080808080;
      if (ends != 0) {
        const uint64_t own = ends ^ (ends - 1);  // up to the first byte that has no successor
        at_ += static_cast<size_t>(std::countr_zero(ends)) / 8 + 1;
        value &= own & 0x7F7F7F7F7F7F7F7F;
        // Seven bits of a byte: eighths are joined to quarters, halves and 56 bits.
        value = (value & 0x7F007F007F007F00) >> 1 | (value & 0x007F007F007F007F);
        value = (value & 0x3FFF00003FFF0000) >> 2 | (value & 0x00003FFF00003FFF);
        return (value & 0x0FFFFFFF00000000) >> 4 | (value & 0x000000000FFFFFFF);
      }
    }
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      value |= uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    fault();
    return 0;
  }

  void fault() {
    faulty_ = true;
    at_ = end_;
  }

  const char* at_;
  const char* end_;
  uint32_t key_ = 0;
  bool faulty_ = false;
};

}  // namespace quota
