#include "admin/token.h"

#include <openssl/crypto.h>
#include <strings.h>

#include <string_view>

#include "base/sha256.h"

namespace quota::admin {
namespace {

std::string_view bearer_of(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() < kScheme.size()) return {};
  if (strncasecmp(authorization.data(), kScheme.data(), kScheme.size()) != 0) return {};
  return authorization.substr(kScheme.size());
}

// Digests have one length, so the time says nothing about the token, not even how long it is.
bool is_same(std::string_view a, std::string_view b) {
  const Sha256 x = sha256(a);
  const Sha256 y = sha256(b);
  return CRYPTO_memcmp(x.data(), y.data(), x.size()) == 0;
}

}  // namespace

std::optional<Reply> refuse_write(const std::string& authorization, const std::string& token) {
  if (token.empty()) {
    return problem(403,
                   "quotad has no admin token, so nobody may change anything: start it with "
                   "--admin-token-file or QUOTAD_ADMIN_TOKEN");
  }
  if (is_same(bearer_of(authorization), token)) return std::nullopt;
  Reply reply =
      problem(401, authorization.empty()
                       ? "this call needs the admin token: send it as Authorization: Bearer"
                       : "the Authorization header does not carry quotad's admin token");
  reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"quotad\"");
  return reply;
}

}  // namespace quota::admin
