#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "redis/connection.h"

namespace quota::redis {

// What a server says about itself.
struct ServerFacts {
  std::string run_id;
  std::string role;
  std::string maxmemory_policy;
  bool loading = false;
};

// Authenticates, names the connection, selects the database and asks the server for its facts.
// `done` is not called when the connection breaks before.
void greet_server(Connection& connection, const ClientOptions& options,
                  std::function<void(absl::StatusOr<ServerFacts>)> done);

// Authenticates only; a sentinel only if it wants to, because most have no password.
void authenticate(Connection& connection, const ClientOptions& options, bool only_if_wanted,
                  std::function<void(absl::Status)> done);

}  // namespace quota::redis
