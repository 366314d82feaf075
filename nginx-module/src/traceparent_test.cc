#include "traceparent.h"

#include <gtest/gtest.h>

#include <string>

namespace quota {
namespace {

TEST(TraceparentTest, IsTakenWithTheRightLengthAndCharactersOnly) {
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_TRUE(may_be_traceparent(good));
  EXPECT_FALSE(may_be_traceparent(""));
  EXPECT_FALSE(may_be_traceparent(good + "0"));
  EXPECT_FALSE(may_be_traceparent(good.substr(1)));
  for (const char c : {'A', 'g', ' ', '\n', '\xff', '\0'}) {
    std::string bad = good;
    bad[20] = c;
    EXPECT_FALSE(may_be_traceparent(bad)) << c;
  }
}

}  // namespace
}  // namespace quota
