#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct redisContext;

namespace quota::redis {

struct ClientOptions;

// What all TLS connections of a client share: certificates and keys, read once.
class Tls {
 public:
  // A null pointer where the URL wants no TLS.
  static absl::StatusOr<std::shared_ptr<const Tls>> load(const ClientOptions& options);
  // As load(), but an error comes from wrap(), so that the owner learns of it as of others.
  static std::shared_ptr<const Tls> load_or_fail_later(const ClientOptions& options);
  virtual ~Tls() = default;

  // Why TLS failed just now, on this thread, where hiredis knows nothing but "Success".
  virtual std::string last_error() const = 0;

  // Has the connection, which may still be opening, speak TLS, and accept only a certificate for
  // the server's name: `host`, unless ClientOptions::server_name says another.
  virtual absl::Status wrap(redisContext* context, const std::string& host) const = 0;
};

}  // namespace quota::redis
