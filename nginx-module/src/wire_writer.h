// Protobuf's wire format, written by hand: what goes between gateway and sidecar is written more
// often than anything else.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace quota {

// Writes fields to the end of a string. Room for all of them is made once, so that a byte is one
// store. Field numbers are at most 15.
class WireWriter {
 public:
  // What a field takes beside its bytes, at most: a tag, and a number or a length.
  static constexpr size_t kMostOfAField = 11;

  // `most` is at least as much as will be written. Throws std::bad_alloc, and then has changed
  // nothing.
  WireWriter(std::string& out, size_t most) : out_(out) {
    const size_t size = out.size();
    out.resize(size + most + kOverhang);
    at_ = out.data() + size;
  }
  ~WireWriter() { out_.resize(static_cast<size_t>(at_ - out_.data())); }
  WireWriter(const WireWriter&) = delete;
  WireWriter& operator=(const WireWriter&) = delete;

  template <typename Field>
  void number(Field field, uint64_t value) {
    tag(field, kVarint);
    varint(value);
  }
  template <typename Field>
  void bytes(Field field, std::string_view value) {
    tag(field, kLengthDelimited);
    varint(value.size());
    if (value.empty()) return;  // which may have no memory to copy from
    std::memcpy(at_, value.data(), value.size());
    at_ += value.size();
  }

  // What is written during its life is a message within the message.
  class Nested {
   public:
    template <typename Field>
    Nested(WireWriter& writer, Field field) : writer_(writer) {
      writer.tag(field, kLengthDelimited);
      length_ = writer.at_;
      writer.at_ += kRoom;
    }
    // The length is known only now, and takes as few bytes as it can.
    ~Nested() {
      char* const body = length_ + kRoom;
      const auto size = static_cast<size_t>(writer_.at_ - body);
      if (size < 0x80) {
        *length_ = static_cast<char>(size);
        return;
      }
      size_t bytes = 1;
      for (size_t rest = size >> 7; rest > 0; rest >>= 7) ++bytes;
      std::memmove(length_ + bytes, body, size);
      for (size_t i = 0; i < bytes; ++i) {
        const char more = i + 1 < bytes ? '\x80' : '\0';
        length_[i] = static_cast<char>(((size >> (7 * i)) & 0x7F) | static_cast<uint8_t>(more));
      }
      writer_.at_ = length_ + bytes + size;
    }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    // Of the length of almost every message; of longer ones the body makes way.
    static constexpr size_t kRoom = 1;
    WireWriter& writer_;
    char* length_;
  };

 private:
  enum WireType : uint8_t { kVarint = 0, kLengthDelimited = 2 };
  // A number is written eight bytes at once, of which the last few may not be its own.
  static constexpr size_t kOverhang = 8;

  template <typename Field>
  void tag(Field field, WireType type) {
    *at_++ = static_cast<char>(static_cast<uint32_t>(field) << 3 | type);
  }

  void varint(uint64_t value) {
    if (value < 0x80) {
      *at_++ = static_cast<char>(value);
    } else if (value < 0x4000) {
      *at_++ = static_cast<char>(value | 0x80);
      *at_++ = static_cast<char>(value >> 7);
    } else if (std::endian::native == std::endian::little && value < uint64_t{1} << 56) {
      middling(value);
    } else {
      for (; value >= 0x80; value >>= 7) *at_++ = static_cast<char>(value | 0x80);
      *at_++ = static_cast<char>(value);
    }
  }

  // Times and limits take three to six bytes: without a branch for each of them.
  void middling(uint64_t value) {
    const auto bytes = static_cast<size_t>(std::bit_width(value) + 6) / 7;
    // Seven bits to a byte: 56 bits are parted in halves, quarters and eighths.
    value = (value & 0x00FFFFFFF0000000) << 4 | (value & 0x000000000FFFFFFF);
    value = (value & 0x0FFFC0000FFFC000) << 2 | (value & 0x00003FFF00003FFF);
    value = (value & 0x3F803F803F803F80) << 1 | (value & 0x007F007F007F007F);
    value |= 0x8080808080808080 & ((uint64_t{1} << (8 * (bytes - 1))) - 1);
    std::memcpy(at_, &value, sizeof(value));
    at_ += bytes;
  }

  std::string& out_;
  char* at_;
};

}  // namespace quota
