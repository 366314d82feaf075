#include "front/front_door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "grpc_stream.h"
#include "quota/v1/quota.pb.h"
#include "rpc/test_parts.h"
#include "rpc/threaded_source.h"

namespace quota::front {
namespace {

using testing::HasSubstr;

Fd connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

// Reads until the other side has closed.
std::string read_all(int fd) {
  std::string all;
  char buffer[4096];
  ssize_t size;
  while ((size = recv(fd, buffer, sizeof buffer, 0)) > 0) {
    all.append(buffer, static_cast<size_t>(size));
  }
  return all;
}

// The module's end of a connection.
class Gateway final : private GrpcStream::Listener {
 public:
  explicit Gateway(const std::string& path) : socket_(connect_to(path)) {}

  // Without a key it is anonymous, and nobody has to be looked up.
  void ask(uint64_t id, const std::string& key = "") {
    quota::v1::DecideRequest request;
    auto& check = *request.add_checks();
    check.set_id(id);
    check.set_path("/compare");
    check.set_client_ip(std::string("\x7f\0\0\1", 4));
    check.set_api_key(key);
    std::string& out = *stream_.outgoing();
    out.assign(kMessagePrefixSize, '\0');
    out += request.SerializeAsString();
    write_message_prefix(out.data(), out.size());
    stream_.send();
    flush();
  }
  // Sends what the socket takes. False: it takes no more.
  bool flush() {
    (void)stream_.collect(&unsent_);
    while (!unsent_.empty()) {
      const ssize_t size =
          send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size < 0) return false;
      unsent_.erase(0, static_cast<size_t>(size));
    }
    return true;
  }
  // Whether the socket takes more within a second.
  bool takes_more() {
    pollfd writable{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
    return poll(&writable, 1, 1000) == 1;
  }
  // Waits until so many verdicts have come, or the connection has ended.
  const std::vector<quota::v1::Verdict>& verdicts(size_t count) {
    std::array<uint8_t, 65536> buffer;
    while (verdicts_.size() < count) {
      const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (size <= 0 || !stream_.receive({buffer.data(), static_cast<size_t>(size)})) break;
      flush();
    }
    return verdicts_;
  }
  const char* error() const { return stream_.error(); }

 private:
  void on_settings() noexcept override {}
  void on_message(std::string_view message) override {
    quota::v1::DecideResponse response;
    ASSERT_TRUE(response.ParseFromArray(message.data(), static_cast<int>(message.size())));
    for (const auto& verdict : response.verdicts()) verdicts_.push_back(verdict);
  }

  Fd socket_;
  GrpcStream stream_{this};
  std::string unsent_;
  std::vector<quota::v1::Verdict> verdicts_;
};

class FrontDoorTest : public testing::Test {
 protected:
  FrontDoorTest() {
    char name[] = "/tmp/quota-front-XXXXXX";
    dir_ = mkdtemp(name);
    options_.listen.unix_path = path_ = dir_ + "/quota.sock";
    options_.threads = 2;
  }
  ~FrontDoorTest() override {
    door_.reset();
    std::filesystem::remove_all(dir_);
  }

  void open() {
    auto opened = FrontDoor::open(
        options_,
        [this](int) {
          return std::make_unique<rpc::Decider>(
              parts_.engine, parts_.live, parts_.directory, rpc::Books{},
              rpc::DeciderOptions{.lookup_timeout_us = lookup_timeout_us_});
        },
        [this](Fd socket) { other_.set_value(std::move(socket)); });
    ASSERT_TRUE(opened.ok()) << opened.status();
    door_ = *std::move(opened);
  }

  rpc::test::Parts parts_;
  std::string dir_, path_;
  FrontDoorOptions options_;
  int64_t lookup_timeout_us_ = 5'000;
  std::promise<Fd> other_;
  std::unique_ptr<FrontDoor> door_;
};

TEST_F(FrontDoorTest, AGatewayIsServedHere) {
  open();
  Gateway gateway(path_);
  gateway.ask(7);
  const auto& verdicts = gateway.verdicts(1);
  ASSERT_EQ(verdicts.size(), 1U);
  EXPECT_EQ(verdicts[0].id(), 7U);
  EXPECT_EQ(verdicts[0].tier(), "anonymous");
}

TEST_F(FrontDoorTest, ManyGatewaysAreServedAtOnce) {
  open();
  std::vector<std::unique_ptr<Gateway>> gateways;
  for (uint64_t i = 0; i < 20; ++i) gateways.push_back(std::make_unique<Gateway>(path_));
  for (uint64_t round = 0; round < 50; ++round) {
    for (uint64_t i = 0; i < 20; ++i) gateways[i]->ask(round * 20 + i);
    for (uint64_t i = 0; i < 20; ++i) {
      const auto& verdicts = gateways[i]->verdicts(round + 1);
      ASSERT_EQ(verdicts.size(), round + 1);
      EXPECT_EQ(verdicts.back().id(), round * 20 + i);
    }
  }
}

TEST_F(FrontDoorTest, AnotherVisitorIsHandedOnWithEveryByteTheySent) {
  open();
  const Fd other = connect_to(path_);
  const std::string hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(9, '\0');
  for (const char byte : hello) ASSERT_EQ(send(other.get(), &byte, 1, 0), 1);
  const Fd handed = other_.get_future().get();
  std::string got(hello.size(), '\0');
  pollfd readable{.fd = handed.get(), .events = POLLIN, .revents = 0};
  size_t size = 0;
  while (size < got.size() && poll(&readable, 1, -1) == 1) {
    const ssize_t more = recv(handed.get(), got.data() + size, got.size() - size, 0);
    ASSERT_GT(more, 0);
    size += static_cast<size_t>(more);
  }
  EXPECT_EQ(got, hello);
}

TEST_F(FrontDoorTest, WhoSaysNothingIsShownOut) {
  options_.reception.patience = std::chrono::milliseconds(1);
  open();
  const Fd silent = connect_to(path_);
  EXPECT_EQ(read_all(silent.get()), "");
}

TEST_F(FrontDoorTest, OfManyWhoSayNothingTheOldestGoesFirst) {
  options_.reception.patience = std::chrono::hours(1);
  options_.reception.most_waiting = 2;
  open();
  const Fd first = connect_to(path_);
  const Fd second = connect_to(path_);
  const Fd third = connect_to(path_);
  EXPECT_EQ(read_all(first.get()), "");
  char byte;
  EXPECT_EQ(recv(second.get(), &byte, 1, MSG_DONTWAIT), -1);
}

TEST_F(FrontDoorTest, AGatewayThatDoesNotReadIsNotReadFromAndGetsEveryVerdictInTheEnd) {
  open();
  Gateway gateway(path_);
  gateway.ask(0);
  gateway.verdicts(1);
  // Far more than all buffers on the way hold.
  constexpr uint64_t kBatches = 100'000;
  uint64_t asked = 1;
  while (asked < kBatches) {
    gateway.ask(asked++);
    if (!gateway.flush() && !gateway.takes_more()) break;
  }
  ASSERT_LT(asked, kBatches) << "it was read from all the time";
  const auto& verdicts = gateway.verdicts(asked);
  ASSERT_EQ(verdicts.size(), asked);
  for (uint64_t i = 0; i < asked; ++i) ASSERT_EQ(verdicts[i].id(), i);
}

TEST_F(FrontDoorTest, VerdictsThatWaitForALookupComeOnceEachFromWhicheverThread) {
  const rpc::test::ThreadedSource source(parts_);
  lookup_timeout_us_ = 60'000'000;
  open();
  constexpr uint64_t kGateways = 4, kBatches = 200;
  std::vector<std::unique_ptr<Gateway>> gateways;
  for (uint64_t i = 0; i < kGateways; ++i) gateways.push_back(std::make_unique<Gateway>(path_));
  for (uint64_t batch = 0; batch < kBatches; ++batch) {
    // Some keys are asked for by all, the rest by nobody else.
    for (uint64_t i = 0; i < kGateways; ++i) {
      const std::string whose = batch % 2 == 0 ? "" : std::to_string(i);
      gateways[i]->ask(batch, "key " + std::to_string(batch) + whose);
    }
  }
  for (const auto& gateway : gateways) {
    std::vector<int> seen(kBatches, 0);
    for (const auto& verdict : gateway->verdicts(kBatches)) ++seen.at(verdict.id());
    EXPECT_EQ(seen, std::vector<int>(kBatches, 1));
  }
}

TEST_F(FrontDoorTest, ACheckWhoseLookupNobodyAnswersIsDecidedWhenItsTimeIsUp) {
  open();
  Gateway gateway(path_);
  gateway.ask(1, "acme key");
  const auto& verdicts = gateway.verdicts(1);
  ASSERT_EQ(verdicts.size(), 1U);
  EXPECT_TRUE(verdicts[0].degraded());
}

TEST_F(FrontDoorTest, AStopEndsCallsThatWaitForNothingAtOnce) {
  open();
  Gateway gateway(path_);
  gateway.ask(1);
  ASSERT_EQ(gateway.verdicts(1).size(), 1U);
  door_->close(std::chrono::hours(1));
  door_->join();
  EXPECT_EQ(gateway.verdicts(2).size(), 1U);
  EXPECT_STREQ(gateway.error(), "it ended the call with gRPC status 14");
}

TEST_F(FrontDoorTest, AStopGivesUpWhatStillWaitsWhenTheTimeIsUp) {
  lookup_timeout_us_ = 3'600'000'000;
  open();
  Gateway gateway(path_);
  gateway.ask(1);
  ASSERT_EQ(gateway.verdicts(1).size(), 1U);
  gateway.ask(2, "acme key");
  door_->close(std::chrono::milliseconds(1));
  door_->join();
  EXPECT_EQ(gateway.verdicts(2).size(), 1U);
}

TEST_F(FrontDoorTest, ThePathIsFreeAgainAfterAStop) {
  open();
  door_->close(std::chrono::milliseconds(0));
  door_->join();
  EXPECT_FALSE(std::filesystem::exists(path_));
  door_.reset();
  open();
  Gateway gateway(path_);
  gateway.ask(1);
  EXPECT_EQ(gateway.verdicts(1).size(), 1U);
}

TEST_F(FrontDoorTest, WithoutThreadsOfItsOwnGatewaysGoToTheOthersToo) {
  options_.threads = 0;
  open();
  Gateway gateway(path_);
  ASSERT_TRUE(gateway.flush());
  EXPECT_TRUE(static_cast<bool>(other_.get_future().get()));
}

TEST(Listeners, APortThatIsTakenIsNotSharedAndTheMessageSaysWhatToDo) {
  auto first = Listeners::open({.host = "127.0.0.1"});
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_GT(first->port(), 0);
  const auto second = Listeners::open({.host = "127.0.0.1", .port = first->port()});
  EXPECT_THAT(std::string(second.status().message()),
              testing::AllOf(HasSubstr("cannot listen on 127.0.0.1:"), HasSubstr("already in use"),
                             HasSubstr("choose another address")));
}

TEST(Listeners, AHostThatIsNotOfThisMachineIsRefused) {
  EXPECT_THAT(std::string(Listeners::open({.host = "203.0.113.1", .port = 1}).status().message()),
              HasSubstr("cannot listen on 203.0.113.1:1"));
}

TEST(Listeners, BothAddressesOfANameGetTheSamePort) {
  const auto listeners = Listeners::open({.host = "localhost"});
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  EXPECT_GT(listeners->port(), 0);
}

}  // namespace
}  // namespace quota::front
