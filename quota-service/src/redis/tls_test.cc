#ifdef QUOTA_HAS_REDIS_TLS

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "redis/test_client.h"

namespace quota::redis::testing {
namespace {

using ::testing::HasSubstr;

// A server with a certificate for 127.0.0.1 that only its own file vouches for.
class TlsServer {
 public:
  explicit TlsServer(const std::string& wants_clients = "no") {
    char name[] = "/tmp/quota-tls-XXXXXX";
    directory_ = mkdtemp(name);
    const std::string command = fmt::format(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "
        "{0}/key.pem -out {0}/cert.pem -subj /CN=redis -addext subjectAltName=IP:127.0.0.1 "
        "2>/dev/null",
        directory_);
    EXPECT_EQ(std::system(command.c_str()), 0);
    port_ = free_port();
    server_ = std::make_unique<RedisServer>(
        RedisServer::Options{.arguments = {"--tls-port", std::to_string(port_), "--tls-cert-file",
                                           cert(), "--tls-key-file", key(), "--tls-ca-cert-file",
                                           cert(), "--tls-auth-clients", wants_clients}});
  }
  ~TlsServer() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::string url(const std::string& host = "127.0.0.1") const {
    return fmt::format("rediss://{}:{}", host, port_);
  }
  std::string cert() const { return directory_ + "/cert.pem"; }
  std::string key() const { return directory_ + "/key.pem"; }
  RedisServer& server() { return *server_; }

 private:
  std::string directory_;
  int port_ = 0;
  std::unique_ptr<RedisServer> server_;
};

std::string first_failure(TestClient& client) {
  client.open();
  EXPECT_TRUE(client.loop().until([&] { return !client.events().ups.empty(); }));
  EXPECT_FALSE(client.events().ups[0].first);
  return client.events().ups[0].second;
}

TEST(Tls, CarriesAllThatAPlainConnectionDoes) {
  TlsServer server("yes");
  TestClient client(server.url(), [&](ClientOptions& options) {
    options.ca_file = options.cert_file = server.cert();
    options.key_file = server.key();
  });
  ASSERT_TRUE(client.start());
  const std::string large(100'000, 'x');
  std::vector<ResultPtr> results;
  for (int i = 0; i < 20; ++i) results.push_back(client.send({"ECHO", large}));
  for (const ResultPtr& result : results) {
    ASSERT_TRUE(client.wait_for(result));
    EXPECT_EQ(result->text, large);
  }
  int subscribed = 0;
  client.client().subscribe(
      "news", [](std::string_view) {}, [&] { ++subscribed; });
  ASSERT_TRUE(client.loop().until([&] { return subscribed == 1; }));
  server.server().restart();
  ASSERT_TRUE(client.wait_down());
  ASSERT_TRUE(client.wait_up());
  EXPECT_TRUE(client.loop().until([&] { return subscribed == 2; }));
}

TEST(Tls, AcceptsNoServerThatNobodyVouchesFor) {
  TlsServer server;
  TestClient client(server.url());
  EXPECT_THAT(first_failure(client), HasSubstr("certificate verify failed"));
}

TEST(Tls, AcceptsNoServerOfAnotherName) {
  TlsServer server;
  TestClient client(server.url("localhost"),
                    [&](ClientOptions& options) { options.ca_file = server.cert(); });
  EXPECT_THAT(first_failure(client), HasSubstr("certificate verify failed"));
  TestClient named(server.url("localhost"), [&](ClientOptions& options) {
    options.ca_file = server.cert();
    options.server_name = "127.0.0.1";
  });
  EXPECT_TRUE(named.start());
}

TEST(Tls, SaysWhichFileIsOfNoUse) {
  TlsServer server;
  TestClient client(server.url(), [](ClientOptions& options) { options.ca_file = "/nowhere"; });
  EXPECT_THAT(first_failure(client), HasSubstr("cannot use the CA file /nowhere"));
}

TEST(Tls, GivesUpAServerThatSpeaksPlainly) {
  RedisServer plain;
  TestClient client(fmt::format("rediss://{}", plain.host_and_port()),
                    [](ClientOptions& options) { options.connect_timeout_us = 200'000; });
  first_failure(client);
}

}  // namespace
}  // namespace quota::redis::testing

#endif
