#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quota {

// An IPv4 or IPv6 address. An IPv4 address written in IPv6 (::ffff:a.b.c.d) is that IPv4 address,
// so that one client has one bucket however it connects.
class IpAddress {
 public:
  // From 4 or 16 bytes in network order; nothing for any other length.
  static std::optional<IpAddress> from_bytes(std::string_view bytes);
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const { return size_ == 4; }
  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), static_cast<size_t>(size_)};
  }
  // The same address with all but the first `bits` bits cleared.
  IpAddress prefix(int bits) const;
  std::string to_string() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<uint8_t, 16> bytes_{};
  uint8_t size_ = 0;
};

// A network such as 10.0.0.0/8; a bare address is a network of one.
struct Cidr {
  IpAddress network;
  int bits = 0;

  // Nothing unless the text is a network whose host bits are all zero.
  static std::optional<Cidr> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
};

}  // namespace quota
