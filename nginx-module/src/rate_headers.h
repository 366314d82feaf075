// The text of X-RateLimit-*, RateLimit-Policy and RateLimit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "codec.h"

namespace quota {

struct Header {
  std::string_view name;
  std::string_view value;
};

// Headers whose values lie in memory of the caller's.
class RateHeaders {
 public:
  // More than all values take together, with the longest numbers.
  static constexpr size_t kTextBytes = 512;

  explicit RateHeaders(std::span<char, kTextBytes> text)
      : next_(text.data()), end_(text.data() + text.size()) {}

  void add_tier(std::string_view tier);
  void add_legacy(const Verdict& verdict);
  void add_ietf(const Verdict& verdict, int64_t now_unix_ms);
  void add_retry_after(uint64_t seconds);
  // Left out if a control character in the value could end the header.
  void add(std::string_view name, std::string_view value);

  std::span<const Header> get() const { return {headers_.data(), size_}; }

 private:
  void put(std::string_view text);
  void put(uint64_t number);
  void put_policy(std::string_view name, const Limit& limit, bool first);
  void put_item(std::string_view name, const Limit& limit, int64_t now_unix_ms);
  // Makes a header of what was put since the last one.
  void finish(std::string_view name);

  std::array<Header, 12> headers_;
  size_t size_ = 0;
  char* next_;
  char* end_;
  char* value_ = next_;
};

}  // namespace quota
