#include "admin/hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/test_server.h"

namespace quota::admin {
namespace {

using ::testing::HasSubstr;

bool accepts(const char* host, const std::vector<std::string>& names = {}) {
  Request request{.method = "GET", .path = "/v1/policy", .query = {}, .authorization = {}};
  request.host = host;
  return !Hosts(names).refuse(request);
}

TEST(Hosts, AddressesAndLocalhostMayBeAsked) {
  for (const char* host : {"127.0.0.1", "127.0.0.1:9180", "10.1.2.3:80", "[::1]:9180", "[::1]",
                           "localhost", "LocalHost:9180", "localhost.", "localhost:"}) {
    EXPECT_TRUE(accepts(host)) << host;
  }
}

TEST(Hosts, OtherNamesMayNot) {
  for (const char* host :
       {"evil.example", "evil.example:9180", "localhost.evil.example", "127.0.0.1.evil.example", "",
        ":80", "[::1", "[::1]x", "[evil.example]:80", "127.0.0.1:80:80", "localhost:http",
        "user@localhost", "localhost evil.example", "."}) {
    EXPECT_FALSE(accepts(host)) << host;
  }
}

TEST(Hosts, NamesThatAreListedMay) {
  const std::vector<std::string> names = {"quotad.internal", "Other.Example"};
  EXPECT_TRUE(accepts("quotad.internal:9180", names));
  EXPECT_TRUE(accepts("QUOTAD.internal", names));
  EXPECT_TRUE(accepts("other.example", names));
  EXPECT_FALSE(accepts("a.other.example", names));
}

class HostHeader : public testing::AdminServerTest {
 protected:
  httplib::Result ask(const std::string& path, const std::string& host) {
    return client().Get(path, {{"Host", host}});
  }
};

TEST_F(HostHeader, OfAnotherNameIsRefusedWithAHint) {
  for (const char* path : {"/", "/v1/policy", "/v1/consumers", "/metrics.json", "/nothing"}) {
    const auto refused = ask(path, "rebound.example");
    EXPECT_EQ(status(refused), 421) << path;
    EXPECT_THAT(detail(refused), HasSubstr("admin_hosts"));
  }
  EXPECT_EQ(status(client().Post("/v1/reload", {{"Host", "rebound.example"}, *bearer().begin()}, "",
                                 "application/json")),
            421);
}

TEST_F(HostHeader, OfScrapesAndProbesIsNotLookedAt) {
  for (const char* path : {"/metrics", "/healthz", "/readyz"}) {
    EXPECT_EQ(status(ask(path, "quotad.monitoring.svc.cluster.local:9180")), 200) << path;
  }
  EXPECT_EQ(status(client().Post("/metrics", {{"Host", "rebound.example"}}, "", "text/plain")),
            421);
}

TEST_F(HostHeader, MayBeMissing) {
  // The client of the library always sends one.
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(server_->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string request = "GET /v1/tiers HTTP/1.0\r\n\r\n";
  ASSERT_EQ(send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
  EXPECT_THAT(answer, HasSubstr(" 200 "));
}

TEST_F(HostHeader, OfWritesGoesTogetherWithJson) {
  const auto send = [&](const char* type) {
    return status(client().Put("/v1/mode", bearer(), R"({"mode":"off"})", type));
  };
  EXPECT_EQ(send("text/plain"), 415);
  EXPECT_EQ(send("application/x-www-form-urlencoded"), 415);
  EXPECT_EQ(send("application/jsonp"), 415);
  EXPECT_EQ(policy_.get()->mode, policy::Mode::kEnforce);
  EXPECT_EQ(send("Application/JSON; charset=utf-8"), 200);
  EXPECT_EQ(status(client().Post("/v1/reload", bearer(), "", "text/plain")), 200) << "no body";
}

}  // namespace
}  // namespace quota::admin
