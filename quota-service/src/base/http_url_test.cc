#include "base/http_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace quota {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(HttpUrlTest, IsTakenApart) {
  const auto url = parse_http_url("https://hooks.example.com:8443/a/b?c=d");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->origin, "https://hooks.example.com:8443");
  EXPECT_EQ(url->target, "/a/b?c=d");
  EXPECT_EQ(parse_http_url("http://h")->target, "/");
  EXPECT_EQ(parse_http_url("http://h?x")->target, "/?x");
  EXPECT_EQ(parse_http_url("http://[::1]:80/")->origin, "http://[::1]:80");
}

TEST(HttpUrlTest, IsRefusedWithoutBeingRepeated) {
  for (const std::string bad :
       {"", "hooks.example.com/secret", "ftp://h/secret", "https:///secret", "https://h:0/secret",
        "https://h:65536/secret", "https://h:x/secret", "https://h:/secret",
        "https://user:secret@h/", "https://h/sec ret", "https://h/secret\n", "https://h/#secret",
        "https://[::1/secret", "https://h\xc3\xa4/secret"}) {
    const auto url = parse_http_url(bad);
    ASSERT_FALSE(url.ok()) << bad;
    EXPECT_THAT(std::string(url.status().message()), Not(HasSubstr("sec")));
    EXPECT_THAT(std::string(url.status().message()), HasSubstr("the URL"));
  }
}

}  // namespace
}  // namespace quota
