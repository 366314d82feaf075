#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/settings.h"

namespace quota::config {
namespace {

using ::testing::HasSubstr;

TEST(ParseListen, UnixPathsAreAbsolute) {
  const auto address = parse_listen("unix:/run/quota/quota.sock");
  ASSERT_TRUE(address.ok());
  EXPECT_TRUE(address->is_unix);
  EXPECT_TRUE(address->loopback);
  EXPECT_EQ(address->path, "/run/quota/quota.sock");
  EXPECT_EQ(parse_listen("unix:///run/quota.sock")->path, "/run/quota.sock");
  for (const char* bad : {"unix:", "unix:quota.sock", "unix:/run/", "unix:@abstract"}) {
    EXPECT_FALSE(parse_listen(bad).ok()) << bad;
  }
}

TEST(ParseListen, UnixPathsFitIntoASocketAddress) {
  EXPECT_TRUE(parse_listen("unix:/" + std::string(106, 'a')).ok());
  const auto too_long = parse_listen("unix:/" + std::string(107, 'a'));
  EXPECT_THAT(too_long.status().message(), HasSubstr("at most 107"));
}

TEST(ParseListen, OnlyAddressesThatNobodyElseReachesAreLoopback) {
  for (const char* own : {"127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1"}) {
    ASSERT_TRUE(parse_listen(own).ok()) << own;
    EXPECT_TRUE(parse_listen(own)->loopback) << own;
  }
  for (const char* open : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[2001:db8::1]:1", "gateway:1",
                           "localhost.example.org:1", "127.evil.example:1"}) {
    ASSERT_TRUE(parse_listen(open).ok()) << open;
    EXPECT_FALSE(parse_listen(open)->loopback) << open;
  }
}

TEST(ParseListen, SplitsHostAndPort) {
  EXPECT_EQ(parse_listen("[::1]:9180")->host, "::1");
  EXPECT_EQ(parse_listen("[::1]:9180")->port, 9180);
  EXPECT_EQ(parse_listen("127.0.0.1:0")->port, 0);
}

TEST(ParseListen, RefusesWhatIsNoAddress) {
  for (const char* bad : {"", ":", ":9180", "9180", "host:", "host:x", "host:70000", "host:-1",
                          "host:+1", "::1:9180", "[::1]", "[::1]9180", "[127.0.0.1]:1", "[host]:1",
                          "ho st:1", "host:1 ", "host:99999999999", "http://host:1", "a/b:1"}) {
    EXPECT_FALSE(parse_listen(bad).ok()) << bad;
  }
}

TEST(ParseStore, TakesALocalFileByAbsolutePath) {
  EXPECT_EQ(parse_store("local:///var/lib/quotad/state.db")->path, "/var/lib/quotad/state.db");
  for (const char* bad : {"local://state.db", "local:///", "local://", "/var/lib/state.db", ""}) {
    EXPECT_FALSE(parse_store(bad).ok()) << bad;
  }
}

TEST(ParseStore, TakesRedisInAllItsTopologies) {
  const auto redis = parse_store("redis://app:hunter2secret@redis:6379/3");
  ASSERT_TRUE(redis.ok()) << redis.status();
  EXPECT_EQ(redis->redis->password, "hunter2secret");
  EXPECT_EQ(redis->redis->database, 3);
  EXPECT_THAT(redis->text(), Not(HasSubstr("hunter2")));
  EXPECT_TRUE(parse_store("redis+unix:///run/redis.sock").ok());
  EXPECT_TRUE(parse_store("redis-sentinel://a,b:26380/main").ok());
  EXPECT_TRUE(parse_store("redis-cluster://a,b:7001").ok());
}

TEST(ParseStore, SaysWhatThereIsAndRepeatsNoPassword) {
  const auto other = parse_store("memcached://:hunter2secret@cache:11211/0");
  EXPECT_THAT(other.status().message(), HasSubstr("use local:///path, redis://host"));
  EXPECT_THAT(other.status().message(), HasSubstr("memcached://"));
  EXPECT_THAT(other.status().message(), Not(HasSubstr("hunter2")));
}

TEST(ParseSocketMode, IsOctal) {
  EXPECT_EQ(*parse_socket_mode("0660"), 0660U);
  EXPECT_EQ(*parse_socket_mode("600"), 0600U);
  for (const char* bad : {"", "66", "0888", "1777", "00660", "rw-", "0o660", "-660"}) {
    EXPECT_FALSE(parse_socket_mode(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace quota::config
