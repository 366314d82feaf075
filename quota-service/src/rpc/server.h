#pragma once

#include <grpcpp/server.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "rpc/door.h"
#include "rpc/listen_socket.h"
#include "rpc/queue.h"
#include "rpc/service.h"

namespace quota::rpc {

struct ServerOptions {
  std::string unix_path;  // or, when empty, TCP
  std::string host;
  int port = 0;
  std::string socket_mode = "0660";
  std::string socket_group;
  std::string tls_cert, tls_key, tls_client_ca;  // files; empty: plain text
  int threads = 1;
};

// The gRPC front door: QuotaService, other doors, health checking and reflection, on as many
// completion queues as there are threads.
class Server {
 public:
  using MakeDecider = std::function<std::unique_ptr<Decider>(int thread)>;

  static absl::StatusOr<std::unique_ptr<Server>> start(
      const ServerOptions& options, const MakeDecider& make_decider,
      std::vector<std::unique_ptr<Door>> doors = {});
  ~Server();

  // Takes no new calls, lets those under way end until the time is up, cuts the rest off, and
  // joins.
  void drain(std::chrono::milliseconds patience);

  int port() const { return port_; }  // the one chosen, when 0 was asked for

 private:
  Server() = default;

  std::optional<ListenSocket> socket_;
  Service service_;
  std::vector<std::unique_ptr<Door>> doors_;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::thread> threads_;
  int port_ = 0;
};

}  // namespace quota::rpc
