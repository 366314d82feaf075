#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "rpc/door.h"
#include "rpc/queue.h"
#include "rpc/service.h"

namespace quota::rpc {

struct ServerOptions {
  std::string tls_cert, tls_key, tls_client_ca;  // files; empty: plain text
  int threads = 1;
};

// The gRPC server: QuotaService, other doors, health checking and reflection, on as many completion
// queues as there are threads. It does not listen: it serves connections that it is given.
class Server {
 public:
  using MakeDecider = std::function<std::unique_ptr<Decider>(int thread)>;

  static absl::StatusOr<std::unique_ptr<Server>> start(
      const ServerOptions& options, const MakeDecider& make_decider,
      std::vector<std::unique_ptr<Door>> doors = {});
  ~Server();

  // Serves whoever has connected here. From any thread, until drain().
  void adopt(Fd socket);

  // Takes no new calls, lets those under way end until the time is up, cuts the rest off, and
  // joins.
  void drain(std::chrono::milliseconds patience);

 private:
  Server() = default;

  Service service_;
  std::vector<std::unique_ptr<Door>> doors_;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::thread> threads_;
};

}  // namespace quota::rpc
