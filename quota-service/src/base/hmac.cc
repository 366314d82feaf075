#include "base/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace quota {

Sha256 hmac_sha256(std::string_view key, std::string_view data) {
  Sha256 digest;
  unsigned int size = 0;
  // An empty key must still be one that is there.
  HMAC(EVP_sha256(), key.empty() ? "" : key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data(), &size);
  return digest;
}

}  // namespace quota
