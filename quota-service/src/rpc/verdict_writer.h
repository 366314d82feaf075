#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace quota::rpc {

// Writes protobuf fields to the end of a string. Room for all of them is made once, so that a byte
// is one store: verdicts are written more often than anything else.
class VerdictWriter {
 public:
  // More than all numbers, tags and lengths of a verdict, and its reason, ever take.
  static constexpr size_t kMostNumbers = 320;

  // `most` is at least as much as will be written.
  VerdictWriter(std::string& out, size_t most) : out_(out) {
    const size_t size = out.size();
    out.resize(size + most);
    at_ = out.data() + size;
  }
  ~VerdictWriter() { out_.resize(static_cast<size_t>(at_ - out_.data())); }
  VerdictWriter(const VerdictWriter&) = delete;
  VerdictWriter& operator=(const VerdictWriter&) = delete;

  template <typename Field>
  void number(Field field, uint64_t value) {
    tag(field, kVarint);
    varint(value);
  }
  template <typename Field>
  void bytes(Field field, std::string_view value) {
    tag(field, kLengthDelimited);
    varint(value.size());
    std::memcpy(at_, value.data(), value.size());
    at_ += value.size();
  }

  // What is written during its life is a message within the message.
  class Nested {
   public:
    template <typename Field>
    Nested(VerdictWriter& writer, Field field) : writer_(writer) {
      writer.tag(field, kLengthDelimited);
      length_ = writer.at_;
      writer.at_ += kRoom;
    }
    // The length is known only now, and takes as few bytes as it can.
    ~Nested() {
      char* const body = length_ + kRoom;
      const auto size = static_cast<size_t>(writer_.at_ - body);
      size_t bytes = 1;
      for (size_t rest = size >> 7; rest > 0; rest >>= 7) ++bytes;
      if (bytes != kRoom) std::memmove(length_ + bytes, body, size);
      writer_.at_ = length_;
      writer_.varint(size);
      writer_.at_ += size;
    }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    // Of the length of almost every verdict; of longer ones the body makes way.
    static constexpr size_t kRoom = 1;
    VerdictWriter& writer_;
    char* length_;
  };

 private:
  enum WireType : uint8_t { kVarint = 0, kLengthDelimited = 2 };

  template <typename Field>
  void tag(Field field, WireType type) {
    const auto number = static_cast<uint32_t>(field);
    *at_++ = static_cast<char>(number << 3 | type);  // no number is above 15
  }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at_++ = static_cast<char>(value | 0x80);
    *at_++ = static_cast<char>(value);
  }

  std::string& out_;
  char* at_;
};

}  // namespace quota::rpc
