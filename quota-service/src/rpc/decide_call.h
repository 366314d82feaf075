#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <mutex>
#include <string>

#include "rpc/queue.h"
#include "rpc/service.h"

namespace quota::rpc {

// One Decide stream, from the moment it is awaited to its end, on one queue. Batches are answered
// in order; the next one is read only once the answer to the last is on its way, so a client that
// does not read cannot make this side hoard.
class DecideCall final : public LateVerdicts,
                         public Wakeable,
                         public std::enable_shared_from_this<DecideCall> {
 public:
  // Waits for a client to open a stream; each stream that opens awaits the next.
  static void await(Service& service, Queue& queue);

  DecideCall(Service& service, Queue& queue);

  void deliver(const VerdictFacts& facts, const engine::Decision& decision) override;
  void wake() override;

 private:
  // An operation under way keeps the call alive.
  class Operation final : public Event {
   public:
    using Handler = void (DecideCall::*)(bool);
    Operation(DecideCall& call, Handler handler) : call_(call), handler_(handler) {}
    void* start() {
      alive_ = call_.shared_from_this();
      call_.queue_.operation_starts();
      return static_cast<Event*>(this);
    }
    void done(bool ok) override {
      const std::shared_ptr<DecideCall> alive = std::move(alive_);
      (call_.*handler_)(ok);
    }

   private:
    DecideCall& call_;
    Handler handler_;
    std::shared_ptr<DecideCall> alive_;
  };

  void on_opened(bool ok);
  void on_read(bool ok);
  void on_written(bool ok);
  void on_finished(bool ok);

  void read_next();
  // Starts the next write if none is under way: the answer to a batch first, then late verdicts.
  void write_next();
  void finish_when_done();

  Service& service_;
  Queue& queue_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer> stream_{&context_};
  Operation opened_{*this, &DecideCall::on_opened};
  Operation read_{*this, &DecideCall::on_read};
  Operation written_{*this, &DecideCall::on_written};
  Operation finished_{*this, &DecideCall::on_finished};

  grpc::ByteBuffer incoming_;
  std::string answer_;   // to the newest batch, until it is written
  std::string writing_;  // borrowed by gRPC while a write is under way
  bool has_answer_ = false;
  bool is_reading_ = false;
  bool is_writing_ = false;
  bool no_more_reads_ = false;
  bool is_broken_ = false;  // a write failed: nobody is there to be told
  bool is_finishing_ = false;
  uint64_t waiting_ = 0;  // verdicts still to come from the store
  grpc::Status status_;

  std::mutex late_mutex_;
  std::string late_;  // serialized DecideResponse of late verdicts
  uint64_t late_count_ = 0;
};

}  // namespace quota::rpc
