#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rls/answer.h"
#include "rls/desk.h"
#include "rpc/queue.h"

namespace quota::rls {

// One ShouldRateLimit after the other, each from the moment it is awaited to its answer. Memory is
// kept from call to call.
class Call final : public rpc::LateVerdicts,
                   public rpc::Wakeable,
                   public rpc::Event,
                   public std::enable_shared_from_this<Call> {
 public:
  explicit Call(Desk& desk) : desk_(desk) {}

  void await();

  void done(bool ok) override;
  void deliver(const rpc::VerdictFacts& facts, const engine::Decision& decision) override;
  void wake() override;

 private:
  void* start_operation();
  void on_opened();
  void on_finished();
  void refuse(Fault fault);
  void answer(int64_t unix_us);
  void finish();

  Desk& desk_;
  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>> writer_;
  grpc::ByteBuffer request_;
  std::string response_;  // borrowed by gRPC while it is sent
  bool is_awaited_ = false;
  std::shared_ptr<Call> alive_;  // while an operation is under way

  std::vector<Verdict> verdicts_;  // the first size_ are of this call
  size_t size_ = 0;
  // Verdicts still to come, and one more while on_opened() asks for them. Whoever brings it to zero
  // has them all.
  std::atomic<size_t> awaited_{0};
};

}  // namespace quota::rls
