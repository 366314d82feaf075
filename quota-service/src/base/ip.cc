#include "base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace quota {
namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// A byte whose first `bits` bits (0..8) are set.
constexpr uint8_t leading_ones(int bits) { return static_cast<uint8_t>(0xff00 >> bits); }

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
  text.copy(terminated, text.size());  // unlike memcpy, takes a view of nothing
  char raw[16];
  if (inet_pton(AF_INET, terminated, raw) == 1) return from_bytes({raw, 4});
  if (inet_pton(AF_INET6, terminated, raw) == 1) return from_bytes({raw, 16});
  return std::nullopt;
}

IpAddress IpAddress::prefix(int bits) const {
  if (bits >= 8 * size_) return *this;
  bits = std::max(bits, 0);
  IpAddress cut = *this;
  const auto edge = cut.bytes_.begin() + bits / 8;
  *edge &= leading_ones(bits % 8);
  std::fill(edge + 1, cut.bytes_.end(), uint8_t{0});
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
  const std::string_view theirs = address.bytes();
  const std::string_view ours = network.bytes();
  const auto whole = static_cast<size_t>(bits / 8);
  if (theirs.size() != ours.size() || std::memcmp(theirs.data(), ours.data(), whole) != 0) {
    return false;
  }
  return whole == ours.size() || ((theirs[whole] ^ ours[whole]) & leading_ones(bits % 8)) == 0;
}

}  // namespace quota
