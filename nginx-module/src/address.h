// The client's address as bytes, for the sidecar and for the local limit.
#pragma once

#include <string_view>

#include "ngx.h"

namespace quota {

// 4 or 16 bytes in network order, empty for a unix socket. An IPv4 client of an IPv6 socket is
// an IPv4 client: by its mapped address it would share a /64 with all others.
inline std::string_view client_address(const ngx_http_request_t* r) {
  const sockaddr* address = r->connection->sockaddr;
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return {reinterpret_cast<const char*>(&v4->sin_addr), 4};
  }
#if (NGX_HAVE_INET6)
  if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    const auto* bytes = reinterpret_cast<const char*>(&v6->sin6_addr);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) return {bytes + 12, 4};
    return {bytes, 16};
  }
#endif
  return {};
}

}  // namespace quota
