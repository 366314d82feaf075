// How gRPC puts messages into a stream of bytes: each behind a prefix of a flag and its length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quota {

inline constexpr size_t kMessagePrefixSize = 5;

// Fills in the prefix, for which there is room at the beginning of `message`.
inline void write_message_prefix(char* message, size_t size) {
  const size_t length = size - kMessagePrefixSize;
  message[0] = 0;
  for (size_t i = 1; i < kMessagePrefixSize; ++i) {
    message[i] = static_cast<char>(length >> (8 * (kMessagePrefixSize - 1 - i)));
  }
}

// Finds the messages in bytes that come in pieces of any size.
class MessageFinder {
 public:
  // Far above any batch: a check or a verdict takes some hundred bytes, and there are 4,096 of them
  // at most.
  static constexpr size_t kMaxMessage = size_t{4} << 20;

  enum class Fault { kNone, kCompressed, kTooLong };

  // Calls take(message) for each message that is whole now. After a fault there is no going on.
  template <typename Take>
  [[nodiscard]] Fault feed(std::string_view data, Take&& take) {
    while (!data.empty()) {
      // A batch nearly always comes in one piece and is read where it lies.
      if (begun_.empty() && data.size() >= kMessagePrefixSize) {
        const size_t size = message_length(data.data());
        if (data[0] == 0 && data.size() - kMessagePrefixSize >= size && size <= kMaxMessage) {
          take(data.substr(kMessagePrefixSize, size));
          data.remove_prefix(kMessagePrefixSize + size);
          continue;
        }
      }

      size_t wanted = kMessagePrefixSize;
      if (begun_.size() >= kMessagePrefixSize) wanted += message_length(begun_.data());
      const std::string_view piece = data.substr(0, wanted - begun_.size());
      begun_.append(piece);
      data.remove_prefix(piece.size());
      if (begun_.size() < kMessagePrefixSize) break;

      const size_t size = message_length(begun_.data());
      if (begun_[0] != 0) return Fault::kCompressed;
      if (size > kMaxMessage) return Fault::kTooLong;
      if (begun_.size() == kMessagePrefixSize + size) {
        take(std::string_view{begun_}.substr(kMessagePrefixSize));
        begun_.clear();
      }
    }
    return Fault::kNone;
  }

 private:
  static size_t message_length(const char* prefix) {
    uint32_t length = 0;
    for (size_t i = 1; i < kMessagePrefixSize; ++i) {
      length = (length << 8) | static_cast<uint8_t>(prefix[i]);
    }
    return length;
  }

  std::string begun_;  // of a message that came in pieces
};

}  // namespace quota
