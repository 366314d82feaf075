#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace quota {

// http(s)://host[:port]/path?query, in parts. The path may hold a secret; the origin does not.
struct HttpUrl {
  std::string origin;  // https://hooks.example.com:8443
  std::string target;  // /services/T0/B0?x=1
};

// The error repeats no part of the URL.
absl::StatusOr<HttpUrl> parse_http_url(const std::string& url);

}  // namespace quota
