#include <gtest/gtest.h>

#include "base/ip.h"
#include "base/sha256.h"
#include "base/time.h"

namespace quota {
namespace {

TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, HexGoesBothWaysAndRefusesWhatIsNotHex) {
  const Sha256 digest = sha256("abc");
  EXPECT_EQ(sha256_from_hex(to_hex(digest)), digest);
  EXPECT_FALSE(sha256_from_hex("abc"));
  EXPECT_FALSE(sha256_from_hex(std::string(63, 'a') + "g"));
}

TEST(IpAddress, MappedIpv4IsTheSameClientAsPlainIpv4) {
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.7"), IpAddress::parse("192.0.2.7"));
}

TEST(IpAddress, PrefixClearsTheRest) {
  EXPECT_EQ(IpAddress::parse("2001:db8:1:2:3:4:5:6")->prefix(64).to_string(), "2001:db8:1:2::");
  EXPECT_EQ(IpAddress::parse("192.0.2.255")->prefix(25).to_string(), "192.0.2.128");
  EXPECT_EQ(IpAddress::parse("192.0.2.255")->prefix(0).to_string(), "0.0.0.0");
}

TEST(IpAddress, RefusesOtherLengthsAndTexts) {
  EXPECT_FALSE(IpAddress::from_bytes("abc"));
  EXPECT_FALSE(IpAddress::parse("256.1.1.1"));
  EXPECT_FALSE(IpAddress::parse(std::string(200, '1')));
}

TEST(Cidr, ContainsItsOwnAndNothingElse) {
  const auto ten = Cidr::parse("10.0.0.0/8");
  ASSERT_TRUE(ten);
  EXPECT_TRUE(ten->contains(*IpAddress::parse("10.255.0.1")));
  EXPECT_FALSE(ten->contains(*IpAddress::parse("11.0.0.1")));
  EXPECT_FALSE(ten->contains(*IpAddress::parse("2001:db8::1")));
  EXPECT_TRUE(Cidr::parse("2001:db8::/32")->contains(*IpAddress::parse("2001:db8:1::1")));
  EXPECT_TRUE(Cidr::parse("192.0.2.1")->contains(*IpAddress::parse("192.0.2.1")));
}

TEST(Cidr, RefusesHostBitsAndNonsense) {
  for (const char* bad : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
                          "ten/8", "", "/8", "::/129"}) {
    EXPECT_FALSE(Cidr::parse(bad)) << bad;
  }
}

TEST(Clock, MonotonicTimeDoesNotRunBackwards) {
  const Now first = read_clocks();
  EXPECT_LE(first.mono_us, read_clocks().mono_us);
  EXPECT_GT(first.unix_us, 0);
}

}  // namespace
}  // namespace quota
