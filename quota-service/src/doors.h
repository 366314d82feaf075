#pragma once

#include <chrono>
#include <memory>

#include "absl/status/statusor.h"
#include "config/settings.h"
#include "front/front_door.h"
#include "rpc/server.h"

namespace quota {

// All through which quotad is asked for decisions, at one address: gateways at the front door, and
// behind it gRPC for everybody else, Envoy among them.
class Doors {
 public:
  // Of deciders that `make_decider` has to make.
  static int threads(const config::Settings& settings);

  static absl::StatusOr<std::unique_ptr<Doors>> open(const config::Settings& settings,
                                                     const rpc::Server::MakeDecider& make_decider);

  // Takes no new calls, lets those under way end until the time is up, and cuts the rest off.
  void drain(std::chrono::milliseconds patience);

 private:
  Doors() = default;

  std::unique_ptr<rpc::Server> grpc_;
  std::unique_ptr<front::FrontDoor> front_;  // hands connections to grpc_
};

}  // namespace quota
