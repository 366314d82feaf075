#include "base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace quota {
namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::optional<IpAddress> IpAddress::from_bytes(std::string_view bytes) {
  IpAddress address;
  if (bytes.size() == 16 && std::memcmp(bytes.data(), kMappedPrefix, 12) == 0) {
    bytes.remove_prefix(12);
  }
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  std::memcpy(address.bytes_.data(), bytes.data(), bytes.size());
  address.size_ = static_cast<uint8_t>(bytes.size());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof terminated) return std::nullopt;
  std::memcpy(terminated, text.data(), text.size());
  char raw[16];
  if (inet_pton(AF_INET, terminated, raw) == 1) return from_bytes({raw, 4});
  if (inet_pton(AF_INET6, terminated, raw) == 1) return from_bytes({raw, 16});
  return std::nullopt;
}

IpAddress IpAddress::prefix(int bits) const {
  IpAddress cut = *this;
  for (int i = 0; i < size_; ++i) {
    const int keep = std::clamp(bits - 8 * i, 0, 8);
    cut.bytes_[i] &= static_cast<uint8_t>(0xff00 >> keep);
  }
  return cut;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const int most = address->is_v4() ? 32 : 128;
  Cidr cidr{*address, most};
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), cidr.bits);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    if (cidr.bits < 0 || cidr.bits > most) return std::nullopt;
  }
  if (cidr.network.prefix(cidr.bits) != cidr.network) return std::nullopt;
  return cidr;
}

bool Cidr::contains(const IpAddress& address) const {
  return address.is_v4() == network.is_v4() && address.prefix(bits) == network;
}

}  // namespace quota
