#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>

#include "rpc/queue.h"
#include "rpc/service.h"

namespace quota::rpc {

// One Check, from the moment it is awaited to its answer.
class CheckCall final : public LateVerdicts,
                        public Wakeable,
                        public Event,
                        public std::enable_shared_from_this<CheckCall> {
 public:
  static void await(Service& service, Queue& queue);

  CheckCall(Service& service, Queue& queue) : service_(service), queue_(queue) {}

  void done(bool ok) override;
  void deliver(const VerdictFacts& facts, const engine::Decision& decision) override;
  void wake() override;

 private:
  void on_opened(bool ok);
  void finish(const grpc::Status& status);

  Service& service_;
  Queue& queue_;
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> writer_{&context_};
  std::string verdict_;
  bool opened_ = false;
  std::shared_ptr<CheckCall> alive_;  // while an operation is under way
};

}  // namespace quota::rpc
