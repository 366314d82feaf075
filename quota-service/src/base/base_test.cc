#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <string>
#include <string_view>

#include "base/hmac.h"
#include "base/ip.h"
#include "base/sha256.h"
#include "base/siphash.h"
#include "base/string_map.h"
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

TEST(IpAddress, PrefixKeepsExactlyItsBits) {
  const IpAddress ones = *IpAddress::from_bytes(std::string(16, '\xff'));
  for (int bits = -1; bits <= 129; ++bits) {
    const IpAddress cut = ones.prefix(bits);
    int kept = 0;
    for (const char byte : cut.bytes()) kept += std::popcount(static_cast<unsigned char>(byte));
    EXPECT_EQ(kept, std::clamp(bits, 0, 128));
    EXPECT_EQ(cut.prefix(bits), cut);
  }
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

TEST(Cidr, ContainsWhatHasItsPrefix) {
  const IpAddress address = *IpAddress::parse("2001:db8:89ab:cdef:7f3c:1:2:3");
  for (int bits = 0; bits <= 128; ++bits) {
    const Cidr cidr{address.prefix(bits), bits};
    EXPECT_TRUE(cidr.contains(address)) << bits;
    std::string changed(address.bytes());
    if (bits < 128) {
      changed[static_cast<size_t>(bits / 8)] ^= static_cast<char>(0x80 >> bits % 8);
      EXPECT_TRUE(cidr.contains(*IpAddress::from_bytes(changed))) << bits;
    }
    if (bits > 0) {
      changed = address.bytes();
      changed[static_cast<size_t>((bits - 1) / 8)] ^= static_cast<char>(0x80 >> (bits - 1) % 8);
      EXPECT_FALSE(cidr.contains(*IpAddress::from_bytes(changed))) << bits;
    }
  }
}

TEST(Cidr, RefusesHostBitsAndNonsense) {
  for (const char* bad : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
                          "ten/8", "", "/8", "::/129"}) {
    EXPECT_FALSE(Cidr::parse(bad)) << bad;
  }
}

Hash128 siphash128_of_openssl(const SipKey& key, const std::string& data) {
  EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  EVP_MAC_CTX* const context = EVP_MAC_CTX_new(mac);
  size_t size = sizeof(Hash128);
  unsigned int compress = 1;
  unsigned int finish = 3;
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                   OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &compress),
                                   OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &finish),
                                   OSSL_PARAM_construct_end()};
  Hash128 hash;
  EVP_MAC_init(context, reinterpret_cast<const unsigned char*>(&key), sizeof key, parameters);
  EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(data.data()), data.size());
  EVP_MAC_final(context, reinterpret_cast<unsigned char*>(&hash), &size, sizeof hash);
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(mac);
  return hash;
}

TEST(SipHash, IsThatOfOpensslAtEveryLength) {
  const SipKey key = random_sip_key();
  std::string data;
  for (int size = 0; size <= 300; ++size) {
    EXPECT_EQ(siphash128(key, data), siphash128_of_openssl(key, data)) << size;
    data.push_back(static_cast<char>(size * 151 + 3));
  }
}

RC_GTEST_PROP(SipHash, IsThatOfOpensslForAnyKeyAndBytes,
              (uint64_t k0, uint64_t k1, const std::string& data)) {
  RC_ASSERT(siphash128({k0, k1}, data) == siphash128_of_openssl({k0, k1}, data));
}

TEST(SipHash, HasANewKeyEachTime) {
  EXPECT_NE(siphash128(random_sip_key(), "acme"), siphash128(random_sip_key(), "acme"));
}

TEST(StringMap, IsAskedWithAView) {
  StringMap<int> map;
  map["acme"] = 7;
  EXPECT_EQ(map.find(std::string_view("acme, and more").substr(0, 4))->second, 7);
  EXPECT_FALSE(map.contains(std::string_view("more")));
}

TEST(Clock, MonotonicTimeDoesNotRunBackwards) {
  const Now first = read_clocks();
  EXPECT_LE(first.mono_us, read_clocks().mono_us);
  EXPECT_GT(first.unix_us, 0);
}

// RFC 4231, test cases 1 and 2.
TEST(HmacTest, GivesWhatTheStandardSays) {
  EXPECT_EQ(to_hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(HmacTest, TakesAnEmptyKeyAndNoData) {
  EXPECT_EQ(to_hex(hmac_sha256("", "")),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

}  // namespace
}  // namespace quota
