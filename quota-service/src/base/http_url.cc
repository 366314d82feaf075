#include "base/http_url.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace quota {
namespace {

bool is_visible(char c) { return c > ' ' && c <= '~'; }

}  // namespace

absl::StatusOr<HttpUrl> parse_http_url(const std::string& url) {
  const auto wrong = [](const char* why) {
    return absl::InvalidArgumentError(
        absl::StrCat("the URL ", why, "; it must be like https://host:port/path"));
  };
  const size_t scheme = url.find("://");
  if (!url.starts_with("https://") && !url.starts_with("http://")) {
    return wrong("starts neither with https:// nor with http://");
  }
  if (!std::ranges::all_of(url, is_visible)) return wrong("holds spaces, or bytes beyond ASCII");
  if (url.find('#') != std::string::npos) return wrong("holds a fragment, which is never sent");
  const size_t host = scheme + 3;
  const size_t end = std::min(url.find_first_of("/?", host), url.size());
  const std::string authority = url.substr(host, end - host);
  if (authority.find('@') != std::string::npos) {
    return wrong("holds a user, which is not supported");
  }
  const size_t bracket = authority.find(']');
  const size_t colon = authority.find(':', bracket == std::string::npos ? 0 : bracket);
  const std::string name = authority.substr(0, colon);
  if (name.empty() || (name.front() == '[') != (bracket != std::string::npos)) {
    return wrong("names no host");
  }
  if (colon != std::string::npos) {
    const std::string port = authority.substr(colon + 1);
    const bool is_number = !port.empty() && port.size() <= 5 &&
                           port.find_first_not_of("0123456789") == std::string::npos;
    if (!is_number || std::stoi(port) < 1 || std::stoi(port) > 65'535) {
      return wrong("has no port from 1 to 65535 after the host");
    }
  }
  std::string target = url.substr(end);
  if (!target.starts_with('/')) target.insert(0, 1, '/');
  return HttpUrl{.origin = url.substr(0, end), .target = std::move(target)};
}

}  // namespace quota
