#include <grpcpp/create_channel_posix.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "rpc/server.h"
#include "rpc/test_parts.h"
#include "rpc/threaded_source.h"

// Checks that wait for look-ups, over a real connection.
namespace quota::rpc {
namespace {

class ServerLookupTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "gRPC is built without instrumentation";
#endif
    ServerOptions options;
    options.threads = 2;
    auto started = Server::start(options, [this](int) {
      return std::make_unique<Decider>(parts_.engine, parts_.live, parts_.directory,
                                       Books{.counters = parts_.counters},
                                       DeciderOptions{.lookup_timeout_us = lookup_timeout_us_});
    });
    EXPECT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    server_->adopt(Fd(ends[0]));
    stub_ = quota::v1::QuotaService::NewStub(grpc::CreateInsecureChannelFromFd("pair", ends[1]));
  }

  static quota::v1::Check with_key(uint64_t id, const std::string& key) {
    quota::v1::Check check;
    check.set_id(id);
    check.set_path("/compare");
    check.set_api_key(key);
    return check;
  }
  quota::v1::Verdict check(const std::string& key) {
    grpc::ClientContext context;
    quota::v1::CheckRequest request;
    *request.mutable_check() = with_key(1, key);
    quota::v1::Verdict verdict;
    const grpc::Status status = stub_->Check(&context, request, &verdict);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return verdict;
  }

  int64_t lookup_timeout_us_ = 5'000;
  test::Parts parts_;
  test::ThreadedSource source_{parts_};
  std::unique_ptr<Server> server_;
  std::unique_ptr<quota::v1::QuotaService::Stub> stub_;
};

class PatientServerLookupTest : public ServerLookupTest {
 protected:
  PatientServerLookupTest() { lookup_timeout_us_ = 60'000'000; }
};

TEST_F(PatientServerLookupTest, AStopDoesNotWaitForTheTimeThatALookupMightHaveTaken) {
  EXPECT_EQ(check("acme key").consumer(), "acme");
  const auto begin = std::chrono::steady_clock::now();
  server_->drain(std::chrono::milliseconds(100));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST_F(ServerLookupTest, AUnaryCheckWaitsForItsLookup) {
  EXPECT_EQ(check("acme key").consumer(), "acme");
  EXPECT_EQ(check("no key").tier(), "anonymous");
}

TEST_F(ServerLookupTest, AUnaryCheckDoesNotWaitForASourceThatIsSilent) {
  source_.is_silent = true;
  // On each queue more than once.
  for (int i = 0; i < 6; ++i) {
    const auto verdict = check("acme key");
    EXPECT_EQ(verdict.tier(), "anonymous");
    EXPECT_TRUE(verdict.degraded());
  }
}

TEST_F(ServerLookupTest, AStreamGetsEveryVerdictOnce) {
  constexpr uint64_t kBatches = 50;
  constexpr uint64_t kChecks = 40;
  grpc::ClientContext context;
  const auto stream = stub_->Decide(&context);
  std::thread writer([&] {
    for (uint64_t batch = 0; batch < kBatches; ++batch) {
      quota::v1::DecideRequest request;
      for (uint64_t i = 0; i < kChecks; ++i) {
        // Half of the batch is of one key of first sight, the rest of keys of their own.
        const std::string key = "key " + std::to_string(batch) + (i % 2 ? std::to_string(i) : "");
        *request.add_checks() = with_key(batch * kChecks + i, key);
      }
      ASSERT_TRUE(stream->Write(request));
    }
    stream->WritesDone();
  });
  std::vector<int> seen(kBatches * kChecks, 0);
  quota::v1::DecideResponse response;
  while (stream->Read(&response)) {
    for (const auto& verdict : response.verdicts()) ++seen.at(verdict.id());
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
}

TEST_F(ServerLookupTest, AServerThatStopsDoesNotWaitForLookups) {
  source_.is_silent = true;
  grpc::ClientContext context;
  const auto stream = stub_->Decide(&context);
  quota::v1::DecideRequest request;
  *request.add_checks() = with_key(1, "acme key");
  ASSERT_TRUE(stream->Write(request));
  quota::v1::DecideResponse response;
  ASSERT_TRUE(stream->Read(&response));
  server_->drain(std::chrono::milliseconds(0));
  server_.reset();
}

}  // namespace
}  // namespace quota::rpc
