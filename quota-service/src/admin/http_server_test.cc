#include "admin/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>

namespace quota::admin {
namespace {

using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Bytes as a hostile or clumsy peer may send them, and all that comes back.
class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() { EXPECT_TRUE(server_.start("127.0.0.1", 0).ok()); }

  int connect() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(server_.port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return socket;
  }

  static void send_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  static std::string receive_all(int socket) {
    std::string all;
    std::array<char, 4096> some;
    for (ssize_t got; (got = recv(socket, some.data(), some.size(), 0)) > 0;) {
      all.append(some.data(), static_cast<size_t>(got));
    }
    close(socket);
    return all;
  }

  std::string exchange(std::string_view bytes) const {
    const int socket = connect();
    send_all(socket, bytes);
    return receive_all(socket);
  }

  HttpServer server_{[](const Request& request) -> Reply {
    if (request.path == "/throw") throw std::runtime_error("oops");
    return json_reply({{"method", request.method}, {"body", request.body}});
  }};
};

TEST_F(HttpServerTest, AnswersOnceAndCloses) {
  const std::string answer = exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
}

TEST_F(HttpServerTest, ABodyMayHaveOneMegabyte) {
  const std::string head = "POST / HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n";
  EXPECT_THAT(exchange(head + std::string(1 << 20, 'x')), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, ALargerBodyIsRefusedAndTheRefusalArrives) {
  const std::string head = "POST / HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n";
  const std::string answer = exchange(head + std::string(4'000'000, 'x'));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(answer, HasSubstr("larger than 1 MB"));
}

TEST_F(HttpServerTest, ChunkedAndCompressedBodiesAreRefused) {
  EXPECT_THAT(exchange("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 411"));
  EXPECT_THAT(exchange("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
              StartsWith("HTTP/1.1 415"));
}

TEST_F(HttpServerTest, APostWithoutLengthHasNoBody) {
  const std::string answer = exchange("POST / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, NonsenseIsAProblem) {
  for (const char* bytes :
       {"\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9\r\n\r\n", "BREW / HTTP/1.1\r\n\r\n",
        "TRACE / HTTP/1.1\r\n\r\n", "\xff\xfe\x01 / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"}) {
    const std::string answer = exchange(bytes);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 4")) << bytes;
    EXPECT_THAT(answer, HasSubstr("application/problem+json")) << bytes;
  }
}

TEST_F(HttpServerTest, ManyRangesOfOneAnswerDoNotMultiplyIt) {
  std::string ranges = "0-";
  for (int i = 0; i < 1000; ++i) ranges += ",0-";
  const std::string answer = exchange("GET / HTTP/1.1\r\nRange: bytes=" + ranges + "\r\n\r\n");
  EXPECT_LT(answer.size(), 1000U);
}

TEST_F(HttpServerTest, EndlessHeadersAreCutOff) {
  std::string head = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 200'000; ++i) head += "X-Fill: 0123456789\r\n";
  EXPECT_THAT(exchange(head + "\r\n"), Not(HasSubstr("HTTP/1.1 200")));
}

TEST_F(HttpServerTest, AHandlerThatThrowsIsAnInternalError) {
  EXPECT_THAT(exchange("GET /throw HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 500"));
}

TEST_F(HttpServerTest, ASlowPeerIsDroppedHoweverItDrips) {
  const int slow = connect();
  const auto start = steady_clock::now();
  std::string answer;
  while (steady_clock::now() - start < std::chrono::seconds(9)) {
    if (send(slow, "x", 1, MSG_NOSIGNAL) != 1) break;
    std::array<char, 512> some;
    const ssize_t got = recv(slow, some.data(), some.size(), MSG_DONTWAIT);
    if (got >= 0) break;
    usleep(50'000);
  }
  close(slow);
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(8));
}

TEST_F(HttpServerTest, StopsAtOnceEvenWhileAPeerIsSlow) {
  const int slow = connect();
  send_all(slow, "GET / HT");
  usleep(50'000);
  const auto start = steady_clock::now();
  server_.stop();
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(2));
  close(slow);
}

TEST_F(HttpServerTest, StopsTwiceAndWithoutAStart) {
  server_.stop();
  server_.stop();
  HttpServer never([](const Request&) { return problem(500, ""); });
  never.stop();
}

}  // namespace
}  // namespace quota::admin
