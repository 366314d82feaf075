#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "rpc/decider.h"
#include "rpc/wake_up.h"

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
class Queue final : private Event, private WakeUp {
 public:
  Queue(std::unique_ptr<grpc::ServerCompletionQueue> cq, std::unique_ptr<Decider> decider);
  ~Queue() override;

  grpc::ServerCompletionQueue* cq() { return cq_.get(); }
  Decider& decider() { return *decider_; }

  // To be called for every operation started on the queue, by its thread or before that runs.
  void operation_starts() { ++operations_; }

  // Serves events until shut_down() and the end of the last operation.
  void run();
  // From any thread, after the server's own shutdown: no more calls will come. An operation that is
  // started on a closed queue would abort the process, so the queue is closed by its own thread,
  // once nothing is under way.
  void shut_down();

  // From any thread: has `call` woken on this queue's thread.
  void post(std::shared_ptr<Wakeable> call);

 private:
  // When the decider wants to be woken after a while: an operation like any other.
  class Timer final : public Event {
   public:
    explicit Timer(Queue& queue) : queue_(queue) {}
    void set(int64_t us);
    // Has it go off now.
    void hurry();
    bool is_set() const { return is_set_; }
    void done(bool ok) override;

   private:
    Queue& queue_;
    grpc::Alarm alarm_;
    bool is_set_ = false;
  };

  void done(bool ok) override;  // the alarm went off
  void wake_soon() override;
  void wake_in(int64_t us) override { timer_.set(us); }
  void set_alarm();  // under mutex_
  void close_when_idle();

  std::unique_ptr<grpc::ServerCompletionQueue> cq_;
  std::unique_ptr<Decider> decider_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Wakeable>> posted_;
  bool decider_is_due_ = false;
  grpc::Alarm alarm_;
  bool alarm_set_ = false;
  bool is_closing_ = false;
  bool is_closed_ = false;
  int64_t operations_ = 0;  // under way, without the alarm; the queue's thread's own
  Timer timer_{*this};
};

}  // namespace quota::rpc
