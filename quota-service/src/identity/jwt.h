#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "policy/policy.h"

namespace quota::identity {

inline constexpr size_t kMaxTokenBytes = 8192;

// A token is refused from the second of its `exp` on. Its `nbf` may lie this far ahead: a token is
// often used at once, by somebody whose clock is a little behind the issuer's.
inline constexpr int64_t kNotBeforeLeewayS = 60;

enum class JwtStatus {
  kValid,
  kUnusableKey,     // the policy's key is none for its algorithm
  kMalformed,       // not three parts of base64url, too long, not JSON, or an unknown "crit"
  kWrongAlgorithm,  // the header names another algorithm than the policy
  kBadSignature,
  kNoExpiry,  // `exp` is missing or not a number: such a token could never be withdrawn
  kExpired,
  kNotYetValid,
  kWrongIssuer,
  kWrongAudience,
  kNoConsumer,  // the consumer claim is missing or is no consumer id
};

// Says why in words, for explain and logs. No word of it comes from a token.
std::string_view to_string(JwtStatus status);

struct JwtResult {
  JwtStatus status = JwtStatus::kMalformed;
  // When valid:
  std::string consumer;
  std::string tier;  // empty when the token has no such claim
  int64_t expires_unix_s = 0;
  // The same token gives the same result while from <= now < until.
  int64_t from_unix_s = std::numeric_limits<int64_t>::min();
  int64_t until_unix_s = std::numeric_limits<int64_t>::max();
};

// Verifies bearer tokens as the policy's identity.jwt says. The algorithm is the policy's: a header
// that names another one ("none", or HS256 where an RSA key is configured) is refused before the
// key is touched, and claims are not read before the signature is verified.
//
// libjwt reads the JSON. Signatures are verified with OpenSSL itself, because libjwt believes the
// header's algorithm, parses the PEM anew for each token, which takes fifteen times as long as the
// verification, and before 1.16 compares with strcmp.
class JwtVerifier {
 public:
  explicit JwtVerifier(policy::Jwt config);

  // Not empty when no token can ever be verified with the configured key: a sentence about why.
  std::string_view key_fault() const { return key_fault_; }

  JwtResult verify(std::string_view token, int64_t unix_s) const;

 private:
  struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };

  bool signature_is_good(std::string_view signed_part, std::string_view signature) const;
  JwtResult judge_claims(const std::string& payload, int64_t unix_s) const;

  const policy::Jwt config_;
  std::string_view key_fault_;
  std::unique_ptr<EVP_PKEY, FreeKey> public_key_;  // RS256
  std::string audience_json_;                      // the configured audience as a JSON string
};

}  // namespace quota::identity
