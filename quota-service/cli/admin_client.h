#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/session.h"

namespace quota::cli {

// Any id as one segment of a path.
std::string percent_encode(std::string_view id);

// The admin API of a quotad. Its problems come back as errors with its own words: kUnavailable when
// it cannot be reached, kPermissionDenied when it wants another token, else what fits.
class AdminClient {
 public:
  // With the address and the token that the session names.
  static absl::StatusOr<AdminClient> open(const Session& session);

  absl::StatusOr<Json> get(const std::string& path) const { return call("GET", path, nullptr); }
  absl::StatusOr<Json> post(const std::string& path, const Json& body) const {
    return call("POST", path, body);
  }
  absl::StatusOr<Json> put(const std::string& path, const Json& body) const {
    return call("PUT", path, body);
  }
  absl::Status remove(const std::string& path) const {
    return call("DELETE", path, nullptr).status();
  }

 private:
  AdminClient(std::string url, std::string token)
      : url_(std::move(url)), token_(std::move(token)) {}
  absl::StatusOr<Json> call(const std::string& method, const std::string& path,
                            const Json& body) const;

  std::string url_;
  std::string token_;
};

}  // namespace quota::cli
