#include "redis/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace quota::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Url parsed(std::string_view text) {
  absl::StatusOr<Url> url = parse_url(text);
  EXPECT_TRUE(url.ok()) << url.status();
  return url.ok() ? *url : Url{};
}

std::string error(std::string_view text) {
  const absl::StatusOr<Url> url = parse_url(text);
  EXPECT_FALSE(url.ok()) << text;
  return std::string(url.status().message());
}

TEST(RedisUrl, HasDefaultsForAllButTheHost) {
  const Url url = parsed("redis://cache.example");
  EXPECT_EQ(url.topology, Topology::kSingle);
  EXPECT_THAT(url.addresses, ElementsAre(Address{"cache.example", 6379}));
  EXPECT_EQ(url.database, 0);
  EXPECT_TRUE(url.user.empty() && url.password.empty() && !url.tls);
}

TEST(RedisUrl, TakesUserPasswordPortAndDatabase) {
  const Url url = parsed("redis://gate:s%40f%3Ae@10.0.0.1:7000/3");
  EXPECT_EQ(url.user, "gate");
  EXPECT_EQ(url.password, "s@f:e");
  EXPECT_THAT(url.addresses, ElementsAre(Address{"10.0.0.1", 7000}));
  EXPECT_EQ(url.database, 3);
  EXPECT_EQ(parsed("redis://:only@h").password, "only");
  EXPECT_EQ(parsed("redis://u:a@b:c@h").password, "a@b:c");
}

TEST(RedisUrl, TakesIpv6InBrackets) {
  EXPECT_THAT(parsed("redis://[::1]:7000").addresses, ElementsAre(Address{"::1", 7000}));
  EXPECT_EQ(parsed("redis://[::1]").text(), "redis://[::1]:6379");
  EXPECT_THAT(error("redis://[::1"), HasSubstr("lacks the ']'"));
  EXPECT_THAT(error("redis://[host]"), HasSubstr("IPv6"));
  EXPECT_THAT(error("redis://[::1]7000"), HasSubstr("only :port"));
}

TEST(RedisUrl, TakesAUnixSocket) {
  const Url url = parsed("redis+unix:///run/a@b/redis.sock?db=2");
  EXPECT_THAT(url.addresses, ElementsAre(Address{"/run/a@b/redis.sock", 0}));
  EXPECT_EQ(url.database, 2);
  EXPECT_EQ(url.text(), "redis+unix:///run/a@b/redis.sock?db=2");
  EXPECT_EQ(parsed("redis+unix://u:p@/run/redis.sock").password, "p");
  EXPECT_THAT(error("redis+unix://redis.sock"), HasSubstr("absolute path"));
  EXPECT_THAT(error("redis+unix:///" + std::string(200, 'x')), HasSubstr("107"));
}

TEST(RedisUrl, TakesSentinels) {
  const Url url = parsed("redis-sentinel://u:p@a,b:5000/main?db=1");
  EXPECT_EQ(url.topology, Topology::kSentinel);
  EXPECT_THAT(url.addresses, ElementsAre(Address{"a", 26379}, Address{"b", 5000}));
  EXPECT_EQ(url.master, "main");
  EXPECT_EQ(url.database, 1);
  EXPECT_EQ(url.text(), "redis-sentinel://***@a:26379,b:5000/main?db=1");
  EXPECT_THAT(error("redis-sentinel://a,b"), HasSubstr("name of the primary"));
  EXPECT_THAT(error("redis-sentinel://a/b c"), HasSubstr("name of the primary is made of"));
}

TEST(RedisUrl, TakesAClusterWithoutDatabases) {
  const Url url = parsed("redis-cluster://a,b:7001,a");
  EXPECT_EQ(url.topology, Topology::kCluster);
  EXPECT_THAT(url.addresses, ElementsAre(Address{"a", 6379}, Address{"b", 7001}));
  EXPECT_TRUE(parse_url("redis-cluster://a/0").ok());
  EXPECT_THAT(error("redis-cluster://a/1"), HasSubstr("no database but 0"));
}

TEST(RedisUrl, SaysWhatIsWrong) {
  EXPECT_THAT(error("http://a"), HasSubstr("begins with redis://"));
  EXPECT_THAT(error("redis-ring://a"), HasSubstr("begins with redis://"));
  EXPECT_THAT(error("redis://"), HasSubstr("lacks its host"));
  EXPECT_THAT(error("redis://a:0"), HasSubstr("1 to 65535"));
  EXPECT_THAT(error("redis://a:65536"), HasSubstr("1 to 65535"));
  EXPECT_THAT(error("redis://a:"), HasSubstr("1 to 65535"));
  EXPECT_THAT(error("redis://a/-1"), HasSubstr("database"));
  EXPECT_THAT(error("redis://a/1/2"), HasSubstr("database"));
  EXPECT_THAT(error("redis://a,b"), HasSubstr("more than one address"));
  EXPECT_THAT(error("redis://a b"), HasSubstr("a host is made of"));
  EXPECT_THAT(error("redis://a?db=1"), HasSubstr("'?'"));
  EXPECT_THAT(error("redis-sentinel://a/m?x=1"), HasSubstr("only db="));
  EXPECT_THAT(error("redis://:p%4@a"), HasSubstr("two hex digits"));
}

#ifndef QUOTA_HAS_REDIS_TLS
TEST(RedisUrl, SaysWhatTlsNeeds) {
  EXPECT_THAT(error("rediss://a"), HasSubstr("needs hiredis 1.0 or newer"));
  EXPECT_THAT(error("rediss-cluster://a"), HasSubstr("needs hiredis 1.0 or newer"));
}
#else
TEST(RedisUrl, TakesTls) { EXPECT_TRUE(parsed("rediss-cluster://a").tls); }
#endif

TEST(RedisUrl, NeverRepeatsAPasswordWhoseAtSignWasForgotten) {
  for (const char* text : {"redis://:hunter2", "redis://gate:hunter2", "redis://gate:hunter2:host",
                           "redis://gate/hunter2", "redis-sentinel://a/m?password=hunter2",
                           "redis://a:hunter2@b:x", "redis://a:x@hunter2@/", "hunter2://a"}) {
    EXPECT_THAT(error(text), Not(HasSubstr("hunter2"))) << text;
  }
}

TEST(RedisUrl, IsToldFromAPath) {
  EXPECT_TRUE(is_redis_url("redis://a"));
  EXPECT_TRUE(is_redis_url("rediss-cluster://a"));
  EXPECT_TRUE(is_redis_url("redis-ring://a"));
  EXPECT_FALSE(is_redis_url("/var/lib/quotad/redis://"));
  EXPECT_FALSE(is_redis_url("redis.db"));
  EXPECT_FALSE(is_redis_url(""));
}

RC_GTEST_PROP(RedisUrl, SurvivesAnyTextAndKeepsItsSecret, ()) {
  static const std::string kSecret = "hunter2secret";
  const auto scheme = *rc::gen::element<std::string>(
      "redis://", "rediss://", "redis+unix://", "redis-sentinel://", "redis-cluster://", "red", "");
  const auto random = rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::arbitrary<char>(),
                     rc::gen::element('@', ':', '/', '?', '%', ',', '[', ']', '#', 'a', '1')));
  const std::string text =
      scheme + *random + kSecret + *random + (*rc::gen::arbitrary<bool>() ? "@host" : "") + *random;
  const absl::StatusOr<Url> url = parse_url(text);
  if (!url.ok()) {
    RC_ASSERT(std::string(url.status().message()).find(kSecret) == std::string::npos);
  } else if (url->password.find(kSecret) != std::string::npos ||
             url->user.find(kSecret) != std::string::npos) {
    RC_ASSERT(url->text().find(kSecret) == std::string::npos);
  }
}

}  // namespace
}  // namespace quota::redis
