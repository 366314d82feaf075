#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <memory>
#include <mutex>
#include <vector>

#include "rpc/decider.h"

namespace quota::rpc {

// What a completion queue hands back when an operation ends.
class Event {
 public:
  virtual ~Event() = default;
  virtual void done(bool ok) = 0;
};

// A call that has something to say which came from another thread.
class Wakeable {
 public:
  virtual ~Wakeable() = default;
  virtual void wake() = 0;  // on the queue's thread
};

// One completion queue, its thread's state, and the way into it for other threads.
class Queue final : private Event {
 public:
  Queue(std::unique_ptr<grpc::ServerCompletionQueue> cq, std::unique_ptr<Decider> decider);
  ~Queue() override;

  grpc::ServerCompletionQueue* cq() { return cq_.get(); }
  Decider& decider() { return *decider_; }

  // Serves events until shut_down() and the last operation.
  void run();
  // After the server's own shutdown. Nothing is woken any more.
  void shut_down();

  // From any thread: has `call` woken on this queue's thread.
  void post(std::shared_ptr<Wakeable> call);

 private:
  void done(bool ok) override;  // the alarm went off

  std::unique_ptr<grpc::ServerCompletionQueue> cq_;
  std::unique_ptr<Decider> decider_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Wakeable>> posted_;
  grpc::Alarm alarm_;
  bool alarm_set_ = false;
  bool closed_ = false;
};

}  // namespace quota::rpc
