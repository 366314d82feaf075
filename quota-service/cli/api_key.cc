#include "cli/api_key.h"

#include <sys/random.h>

#include <array>
#include <string_view>

namespace quota::cli {
namespace {

constexpr std::string_view kAlphabet =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr size_t kCharacters = 43;
// Bytes from here on would make some characters likelier than others.
constexpr unsigned kFair = 256 / kAlphabet.size() * kAlphabet.size();

}  // namespace

bool system_random(std::span<unsigned char> bytes) {
  // Up to 256 bytes come whole, once the system's generator is ready.
  return getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
}

absl::StatusOr<std::string> generate_api_key(const RandomBytes& random) {
  std::string key = "qg_";
  const size_t length = key.size() + kCharacters;
  std::array<unsigned char, 64> bytes;
  while (key.size() < length) {
    if (!random(bytes)) {
      return absl::InternalError("the system gives no random bytes to make an API key of");
    }
    for (const unsigned char byte : bytes) {
      if (byte < kFair && key.size() < length) key += kAlphabet[byte % kAlphabet.size()];
    }
  }
  return key;
}

}  // namespace quota::cli
