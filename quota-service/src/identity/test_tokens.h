#pragma once

#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"

// Tokens and keys for tests: good ones from libjwt's signer, so that two implementations must
// agree, and raw ones of which each part can be wrong.
namespace quota::identity::test {

inline std::string base64url(std::string_view bytes) {
  return absl::WebSafeBase64Escape({bytes.data(), bytes.size()});
}

inline std::string token_of_libjwt(jwt_alg_t algorithm, const std::string& key,
                                   const std::string& claims) {
  jwt_t* jwt = nullptr;
  jwt_new(&jwt);
  jwt_add_grants_json(jwt, claims.c_str());
  if (algorithm != JWT_ALG_NONE) {
    jwt_set_alg(jwt, algorithm, reinterpret_cast<const unsigned char*>(key.data()),
                static_cast<int>(key.size()));
  }
  char* const text = jwt_encode_str(jwt);
  std::string token = text ? text : "";
  std::free(text);
  jwt_free(jwt);
  return token;
}

// Any header and payload, signed as HS256 whatever the header says.
inline std::string raw_hs256(std::string_view key, std::string_view header,
                             std::string_view payload) {
  const std::string signed_part = base64url(header) + "." + base64url(payload);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(signed_part.data()), signed_part.size(), digest,
       &size);
  return signed_part + "." + base64url({reinterpret_cast<char*>(digest), size});
}

struct KeyPair {
  std::string private_pem;
  std::string public_pem;
};

inline KeyPair pem_of(EVP_PKEY* key) {
  const auto text = [](BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string pem(data, static_cast<size_t>(size));
    BIO_free(bio);
    return pem;
  };
  BIO* const secret = BIO_new(BIO_s_mem());
  BIO* const open = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(secret, key, nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_bio_PUBKEY(open, key);
  EVP_PKEY_free(key);
  return {text(secret), text(open)};
}

inline KeyPair new_rsa_key(unsigned int bits = 2048) { return pem_of(EVP_RSA_gen(bits)); }
inline KeyPair new_ec_key() { return pem_of(EVP_EC_gen("P-256")); }

}  // namespace quota::identity::test
