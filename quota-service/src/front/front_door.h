#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "front/listeners.h"
#include "front/loop.h"
#include "front/reception.h"

namespace quota::front {

struct FrontDoorOptions {
  ListenOptions listen;
  int threads = 0;  // that serve gateways; 0: gRPC serves them, too
  ReceptionOptions reception = {};
};

// Where quotad listens. Gateways are served here, by loops of their own; all others by gRPC, which
// costs several times as much a batch.
class FrontDoor {
 public:
  using MakeDecider = std::function<std::unique_ptr<rpc::Decider>(int thread)>;

  // Connections of others are handed to `other`, on a thread of this door.
  static absl::StatusOr<std::unique_ptr<FrontDoor>> open(const FrontDoorOptions& options,
                                                         const MakeDecider& make_decider,
                                                         Reception::HandOver other);
  ~FrontDoor();

  int port() const { return port_; }  // the one chosen, when 0 was asked for

  // Lets nobody in any more, and has gateways' calls end: those with nothing to wait for at once,
  // and the rest when the time is up.
  void close(std::chrono::milliseconds patience);
  // Until that has happened. Late verdicts may still come, and go nowhere.
  void join();

 private:
  FrontDoor() = default;

  std::optional<Listeners> listeners_;
  int port_ = 0;
  std::vector<std::unique_ptr<Loop>> loops_;
  size_t next_loop_ = 0;
  std::unique_ptr<Reception> reception_;
  std::thread receptionist_;
  std::vector<std::thread> threads_;
};

}  // namespace quota::front
