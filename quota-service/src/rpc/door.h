#pragma once

#include <grpcpp/impl/service_type.h>

#include <string>

#include "rpc/queue.h"

namespace quota::rpc {

// A gRPC service beside QuotaService, on the same socket and threads.
class Door {
 public:
  virtual ~Door() = default;
  virtual grpc::Service& service() = 0;
  virtual std::string name() const = 0;  // of the service, with its package
  // Once for each queue, before its thread runs: awaits calls there.
  virtual void open(Queue& queue) = 0;
};

}  // namespace quota::rpc
