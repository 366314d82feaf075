// Asks a rate limit service as Envoy does, as fast as it answers:
//
//   quota_rls_load ADDRESS SECONDS [IN_FLIGHT]
//
// A thousand consumers in turn, one descriptor each. Prints how many decisions came, how many of
// them were OVER_LIMIT, and how many calls failed.

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "envoy/service/ratelimit/v3/rls.grpc.pb.h"

namespace {

using envoy::service::ratelimit::v3::RateLimitRequest;
using envoy::service::ratelimit::v3::RateLimitResponse;
using envoy::service::ratelimit::v3::RateLimitService;

constexpr int kConsumers = 1'000;

struct Call {
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<RateLimitResponse>> reader;
  RateLimitResponse response;
  grpc::Status status;
};

std::vector<RateLimitRequest> requests() {
  std::vector<RateLimitRequest> all;
  for (int i = 0; i < kConsumers; ++i) {
    RateLimitRequest& request = all.emplace_back();
    request.set_domain("edge");
    auto* const descriptor = request.add_descriptors();
    const auto add = [&](const char* key, const std::string& value) {
      auto* const entry = descriptor->add_entries();
      entry->set_key(key);
      entry->set_value(value);
    };
    add("remote_address", "192.0.2.1");
    add("method", "GET");
    add("path", "/identify?image=" + std::to_string(i));
    add("api_key", "key-" + std::to_string(i));
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const int seconds = argc > 2 ? std::atoi(argv[2]) : 0;
  const int in_flight = argc > 3 ? std::atoi(argv[3]) : 64;
  if (seconds <= 0 || in_flight <= 0) {
    std::fprintf(stderr, "quota_rls_load ADDRESS SECONDS [IN_FLIGHT]\n");
    return EXIT_FAILURE;
  }
  const auto channel = grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials());
  const auto stub = RateLimitService::NewStub(channel);
  const std::vector<RateLimitRequest> all = requests();
  grpc::CompletionQueue queue;
  std::vector<Call> calls(static_cast<size_t>(in_flight));
  size_t next = 0;
  const auto start = [&](Call& call) {
    call.context = std::make_unique<grpc::ClientContext>();
    call.reader = stub->AsyncShouldRateLimit(call.context.get(), all[next++ % all.size()], &queue);
    call.reader->Finish(&call.response, &call.status, &call);
  };

  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  for (Call& call : calls) start(call);
  uint64_t decided = 0;
  uint64_t over_limit = 0;
  uint64_t failed = 0;
  int open = in_flight;
  void* tag = nullptr;
  bool ok = false;
  while (open > 0 && queue.Next(&tag, &ok)) {
    Call& call = *static_cast<Call*>(tag);
    if (call.status.ok()) {
      ++decided;
      over_limit += call.response.overall_code() == RateLimitResponse::OVER_LIMIT;
    } else if (++failed == 1) {
      std::fprintf(stderr, "%s\n", call.status.error_message().c_str());
    }
    if (std::chrono::steady_clock::now() < end) {
      start(call);
    } else {
      --open;
    }
  }
  std::printf("decisions %llu over_limit %llu errors %llu\n",
              static_cast<unsigned long long>(decided), static_cast<unsigned long long>(over_limit),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
