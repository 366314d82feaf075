#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "base/ip.h"
#include "config/invalid.h"
#include "config/settings.h"

namespace quota::config {
namespace {

// sockaddr_un::sun_path with its closing NUL.
constexpr size_t kLongestUnixPath = 107;

absl::StatusOr<ListenAddress> parse_unix(std::string_view path) {
  // gRPC also writes unix:///path.
  if (path.starts_with("///")) path.remove_prefix(2);
  if (!path.starts_with('/') || path.ends_with('/')) {
    return invalid("\"unix:{}\" does not name a socket by an absolute path", path);
  }
  if (path.size() > kLongestUnixPath) {
    return invalid(
        "the socket path has {} bytes but the system takes at most {}; use a shorter one",
        path.size(), kLongestUnixPath);
  }
  ListenAddress address;
  address.is_unix = true;
  address.path = path;
  address.loopback = true;
  return address;
}

bool is_loopback(std::string_view host) {
  if (host == "localhost") return true;
  const auto address = IpAddress::parse(host);
  if (!address) return false;  // a name could lead anywhere
  return address->is_v4() ? address->prefix(8) == *IpAddress::parse("127.0.0.0")
                          : address == IpAddress::parse("::1");
}

bool is_host(std::string_view host, bool bracketed) {
  if (const auto address = IpAddress::parse(host)) return bracketed != address->is_v4();
  if (bracketed || host.empty() || host.size() > 253) return false;
  for (const char c : host) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.';
    if (!fits) return false;
  }
  return true;
}

std::optional<uint16_t> parse_port(std::string_view digits) {
  uint16_t port = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return port;
}

}  // namespace

absl::StatusOr<ListenAddress> parse_listen(const std::string& text) {
  std::string_view rest = text;
  if (rest.starts_with("unix:")) return parse_unix(rest.substr(5));

  const size_t colon = text.rfind(':');
  std::string_view host = rest.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (colon == std::string::npos || !is_host(host, bracketed)) {
    return invalid(
        "\"{}\" is not an address; write unix:/path, 127.0.0.1:9180, [::1]:9180, or 0.0.0.0:9180 "
        "for every IPv4 address",
        text);
  }
  const std::optional<uint16_t> port = parse_port(rest.substr(colon + 1));
  if (!port) {
    return invalid("\"{}\" does not end in a port from 0 (any free one) to 65535", text);
  }
  ListenAddress address;
  address.host = host;
  address.port = *port;
  address.loopback = is_loopback(host);
  return address;
}

absl::StatusOr<std::vector<std::string>> parse_hosts(const std::string& text) {
  std::vector<std::string> names;
  for (const auto part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    std::string name(absl::StripAsciiWhitespace(part));
    if (!is_host(name, false)) {
      return invalid(
          "\"{}\" is not a host name; write names without ports, with commas between them", name);
    }
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace quota::config
