#include "admin/hosts.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "base/ip.h"

namespace quota::admin {
namespace {

constexpr std::array<std::string_view, 3> kOpenPaths = {"/metrics", "/healthz", "/readyz"};

// "name:80", "name", "[::1]:80" -> the name or the address; empty for anything else.
std::string_view without_port(std::string_view host) {
  size_t end = host.find(':');
  if (host.starts_with('[')) {
    const size_t bracket = host.find(']');
    if (bracket == std::string_view::npos) return {};
    end = bracket + 1;
    if (end < host.size() && host[end] != ':') return {};
  }
  if (end < host.size() &&
      host.find_first_not_of("0123456789", end + 1) != std::string_view::npos) {
    return {};
  }
  host = host.substr(0, end);
  if (host.starts_with('[')) return host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

}  // namespace

Hosts::Hosts(const std::vector<std::string>& names) : names_{"localhost"} {
  for (const std::string& name : names) names_.push_back(absl::AsciiStrToLower(name));
}

std::optional<Reply> Hosts::refuse(const Request& request) const {
  // Browsers always send it; HTTP/1.0 need not.
  if (!request.host || accepts(*request.host)) return std::nullopt;
  const bool is_read = request.method == "GET" || request.method == "HEAD";
  if (is_read && std::ranges::find(kOpenPaths, request.path) != kOpenPaths.end()) {
    return std::nullopt;
  }
  return problem(
      421,
      "the admin API does not answer under this host name: use the address or localhost, "
      "or add the name to admin_hosts");
}

bool Hosts::accepts(std::string_view host) const {
  const std::string name = absl::AsciiStrToLower(std::string(without_port(host)));
  if (name.empty()) return false;
  return IpAddress::parse(name).has_value() || std::ranges::find(names_, name) != names_.end();
}

}  // namespace quota::admin
