#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace quota::redis {

struct Address {
  std::string host;  // or the path of a unix socket, with port 0
  int port = 0;

  bool is_unix() const { return port == 0; }
  std::string text() const;
  friend auto operator<=>(const Address&, const Address&) = default;
};

enum class Topology { kSingle, kSentinel, kCluster };

// redis://[user[:password]@]host[:6379][/db]      redis+unix:///path/redis.sock[?db=N]
// rediss://…                                      as redis://, over TLS
// redis-sentinel://h1[:26379],h2,…/master[?db=N]  redis-cluster://h1[:6379],h2,…
// The comma-separated ones take user and password too, and rediss-sentinel:// and rediss-cluster://
// are the same over TLS.
struct Url {
  Topology topology = Topology::kSingle;
  bool tls = false;
  std::vector<Address> addresses;
  std::string master;  // sentinel's name of the primary
  std::string user;
  std::string password;
  int database = 0;

  // Fit for logs: never holds the password.
  std::string text() const;
};

bool is_redis_url(std::string_view text);

// An error is one sentence, and never repeats what could be a password.
absl::StatusOr<Url> parse_url(std::string_view text);

}  // namespace quota::redis
