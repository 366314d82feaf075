#include "policy/jwt_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "policy/read_file.h"

namespace quota::policy {
namespace {

constexpr size_t kMaxKeyBytes = 64 << 10;
constexpr size_t kMinSecretBytes = 32;  // RFC 7518, section 3.2: no shorter than the hash
constexpr int kMinRsaBits = 2048;       // RFC 7518, section 3.3

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};

// An editor's or echo's line break is no part of a secret that is text; a secret of random bytes is
// taken as it is.
std::string without_line_break(std::string secret) {
  const auto text = absl::StripTrailingAsciiWhitespace(secret);
  if (std::all_of(text.begin(), text.end(), absl::ascii_isprint)) secret.resize(text.size());
  return secret;
}

bool is_usable_secret(const std::string& secret, Position at, Faults& faults) {
  if (absl::StrContains(secret, "-----BEGIN ")) {
    faults.add(at, Message::kKeyIsPem);
  } else if (secret.size() < kMinSecretBytes) {
    faults.add(at, Message::kKeyTooShort, secret.size(), kMinSecretBytes);
  } else {
    return true;
  }
  return false;
}

bool is_usable_public_key(const std::string& pem, Position at, Faults& faults) {
  if (absl::StrContains(pem, "PRIVATE KEY-----")) {
    faults.add(at, Message::kKeyIsPrivate);
    return false;
  }
  const std::unique_ptr<BIO, FreeBio> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const std::unique_ptr<EVP_PKEY, FreeKey> key(
      PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();  // nothing of ours may surface in a later call of somebody else
  if (key == nullptr || EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA) {
    faults.add(at, Message::kKeyNotPublic);
  } else if (EVP_PKEY_bits(key.get()) < kMinRsaBits) {
    faults.add(at, Message::kKeyTooWeak, EVP_PKEY_bits(key.get()), kMinRsaBits);
  } else {
    return true;
  }
  return false;
}

}  // namespace

std::string read_jwt_key(const std::filesystem::path& file, JwtAlgorithm algorithm, Position at,
                         Faults& faults) {
  auto content = read_file(file.string(), kMaxKeyBytes);
  if (content.ok() && content->size() > kMaxKeyBytes) {
    content = absl::OutOfRangeError("it is larger than 64 KB");
  }
  if (!content.ok()) {
    faults.add(at, Message::kKeyUnreadable, std::string(content.status().message()));
    return {};
  }
  if (absl::StripAsciiWhitespace(*content).empty()) {
    faults.add(at, Message::kKeyEmpty);
    return {};
  }
  const bool usable = algorithm == JwtAlgorithm::kHs256
                          ? is_usable_secret(*content = without_line_break(*content), at, faults)
                          : is_usable_public_key(*content, at, faults);
  return usable ? *std::move(content) : std::string();
}

}  // namespace quota::policy
