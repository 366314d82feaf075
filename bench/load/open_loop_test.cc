#include "open_loop.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace quota::load {
namespace {

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::string_view kDenied = "HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n";
constexpr uint64_t kMillisecond = 1'000'000;

// Answers from one thread; `before_answer` may take its time, and says what is answered: an empty
// answer closes the connection.
class FakeServer {
 public:
  template <typename Function>
  explicit FakeServer(Function before_answer) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 64), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, before_answer]() mutable {
      std::vector<pollfd> sockets = {{.fd = listener_, .events = POLLIN, .revents = 0}};
      while (!stopped_) {
        poll(sockets.data(), sockets.size(), 20);
        if ((sockets[0].revents & POLLIN) != 0) {
          sockets.push_back(
              {.fd = accept(listener_, nullptr, nullptr), .events = POLLIN, .revents = 0});
        }
        for (size_t i = 1; i < sockets.size(); ++i) {
          char buffer[4096];
          if ((sockets[i].revents & POLLIN) == 0) {
            continue;
          }
          const bool is_open = recv(sockets[i].fd, buffer, sizeof(buffer), 0) > 0;
          const std::string_view answer = is_open ? before_answer(asked_++) : std::string_view();
          if (answer.empty()) {
            close(sockets[i].fd);
            sockets[i].fd = -1;
          } else {
            send(sockets[i].fd, answer.data(), answer.size(), MSG_NOSIGNAL);
          }
        }
      }
      for (const pollfd& socket : sockets) {
        close(socket.fd);
      }
    });
  }

  ~FakeServer() {
    stopped_ = true;
    thread_.join();
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  uint16_t port() const { return port_; }
  int asked() const { return asked_; }

 private:
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopped_{false};
  std::atomic<int> asked_{0};
  std::thread thread_;
};

OpenLoopOptions asking(uint16_t port) {
  OpenLoopOptions options;
  options.port = port;
  options.request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  options.rate = 1000;
  options.seconds = 0.5;
  options.connections = 4;
  return options;
}

TEST(OpenLoop, SendsEveryRequestOfItsRate) {
  FakeServer server([](int) { return kOk; });
  const auto result = run_open_loop(asking(server.port()));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(server.asked(), 500);
  EXPECT_EQ(result->requests, 500);
  EXPECT_EQ(result->latency.count(), 500);
  EXPECT_EQ(result->lateness.count(), 500);
  EXPECT_EQ(result->errors + result->not_2xx + result->unanswered, 0);
  EXPECT_GE(result->seconds, 0.49);
}

// Four connections wait while the server stalls, but a hundred requests should have been sent.
TEST(OpenLoop, CountsAStallForEveryRequestThatShouldHaveBeenSentMeanwhile) {
  FakeServer server([](int number) {
    if (number == 200) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // is what is measured
    }
    return kOk;
  });
  const auto result = run_open_loop(asking(server.port()));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GE(result->latency.quantile(0.999), 95 * kMillisecond);
  EXPECT_GE(result->latency.quantile(0.9), 45 * kMillisecond);
  EXPECT_LT(result->latency.quantile(0.5), 45 * kMillisecond);
  EXPECT_LT(result->lateness.quantile(0.5), 45 * kMillisecond);
}

TEST(OpenLoop, KeepsItsRateWithoutSleepingToo) {
  FakeServer server([](int) { return kOk; });
  OpenLoopOptions options = asking(server.port());
  options.spin = true;
  const auto result = run_open_loop(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(server.asked(), 500);
  EXPECT_EQ(result->latency.count(), 500);
  EXPECT_GE(result->seconds, 0.49);
}

TEST(OpenLoop, CountsRefusals) {
  FakeServer server([](int number) { return number % 5 == 0 ? kDenied : kOk; });
  const auto result = run_open_loop(asking(server.port()));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->not_2xx, 100);
}

TEST(OpenLoop, ReplacesConnectionsThatAreClosed) {
  FakeServer server([](int number) { return number % 50 == 0 ? std::string_view() : kOk; });
  const auto result = run_open_loop(asking(server.port()));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->errors, 10);
  EXPECT_EQ(result->latency.count(), 490);
}

TEST(OpenLoop, CountsWhatIsNeverAnsweredAsLatencyToo) {
  FakeServer server([](int number) { return number < 100 ? kOk : std::string_view("HTTP/1.1 "); });
  OpenLoopOptions options = asking(server.port());
  options.drain_seconds = 0.2;
  const auto result = run_open_loop(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->unanswered, 400);
  EXPECT_EQ(result->latency.count(), 500);
  EXPECT_GE(result->latency.quantile(0.99), 590 * kMillisecond);
}

TEST(OpenLoop, SaysWhenNobodyListens) {
  OpenLoopOptions options = asking(1);
  const auto result = run_open_loop(options);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.status().message().find("127.0.0.1:1"), std::string::npos);
}

}  // namespace
}  // namespace quota::load
