#include "store/scripts.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <fstream>
#include <sstream>
#include <string>

namespace quota::store {
namespace {

TEST(Scripts, AreTheFilesByteByByte) {
  std::ostringstream file;
  file << std::ifstream(std::string(SCRIPTS_DIR) + "/consumers.lua").rdbuf();
  EXPECT_GT(kConsumersLua.size(), 1000u);
  EXPECT_EQ(file.str(), kConsumersLua);
}

TEST(Scripts, HaveTheHashByWhichRedisKnowsThem) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(kConsumersLua.data()), kConsumersLua.size(), digest);
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  EXPECT_EQ(hex, kConsumersLuaSha1);
}

}  // namespace
}  // namespace quota::store
