#include "identity/jwt.h"

#include <jwt.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "policy/names.h"

namespace quota::identity {
namespace {

constexpr int kLeastRsaBits = 2048;
constexpr double kFarAway = 1e15;  // seconds; keeps arithmetic on dates within 64 bits

struct FreeJwt {
  void operator()(jwt_t* jwt) const { jwt_free(jwt); }
};
using JwtPtr = std::unique_ptr<jwt_t, FreeJwt>;

struct FreeText {
  void operator()(char* text) const { std::free(text); }
};

JwtPtr new_jwt() {
  jwt_t* jwt = nullptr;
  return JwtPtr(jwt_new(&jwt) == 0 ? jwt : nullptr);
}

// The header in `json`, or its claims; null unless it is an object that names nothing twice.
JwtPtr parse(const std::string& json, int (*add_json)(jwt_t*, const char*)) {
  // libjwt would read on only to the first zero byte.
  if (json.find('\0') != std::string::npos) return nullptr;
  JwtPtr jwt = new_jwt();
  return jwt && add_json(jwt.get(), json.c_str()) == 0 ? std::move(jwt) : nullptr;
}

std::string_view text_of(const char* text) { return text ? text : std::string_view(); }

std::string json_of(jwt_t* jwt, const char* claim) {
  const std::unique_ptr<char, FreeText> json(jwt_get_grants_json(jwt, claim));
  return std::string(text_of(json.get()));
}

// A NumericDate of RFC 7519, which may have a fraction.
std::optional<double> date_of(jwt_t* jwt, const char* claim) {
  const std::string json = json_of(jwt, claim);
  double seconds = 0;
  const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), seconds);
  if (json.empty() || error != std::errc{} || end != json.data() + json.size()) return std::nullopt;
  return std::clamp(seconds, -kFarAway, kFarAway);
}

// Whether `json`, as jansson prints it compactly, is the string `wanted` or an array of strings
// with it. `wanted` is printed in the same way, so equal text is the same string.
bool is_or_contains(std::string_view json, std::string_view wanted) {
  if (json.empty() || wanted.empty()) return false;
  if (json == wanted) return true;
  if (json.size() < 2 || json.front() != '[') return false;
  bool found = false;
  for (size_t at = 1; at < json.size();) {
    if (json[at] != '"') return false;
    const size_t start = at++;
    while (at < json.size() && json[at] != '"') at += json[at] == '\\' ? 2 : 1;
    if (++at >= json.size()) return false;
    found = found || json.substr(start, at - start) == wanted;
    if (json[at] == ']') return found && at + 1 == json.size();
    if (json[at++] != ',') return false;
  }
  return false;
}

struct Parts {
  std::string_view signed_part;  // header and payload as they were signed
  std::string header;
  std::string payload;
  std::string signature;
};

std::optional<Parts> split(std::string_view token) {
  const auto is_base64url = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  if (token.size() > kMaxTokenBytes) return std::nullopt;
  const size_t first = token.find('.');
  const size_t second = first == token.npos ? first : token.find('.', first + 1);
  if (second == token.npos) return std::nullopt;
  const std::string_view encoded[] = {token.substr(0, first),
                                      token.substr(first + 1, second - first - 1),
                                      token.substr(second + 1)};
  Parts parts{.signed_part = token.substr(0, second), .header = {}, .payload = {}, .signature = {}};
  std::string* const decoded[] = {&parts.header, &parts.payload, &parts.signature};
  for (int i = 0; i < 3; ++i) {
    // abseil would also take padding and white space.
    if (!std::ranges::all_of(encoded[i], is_base64url)) return std::nullopt;
    if (!absl::WebSafeBase64Unescape({encoded[i].data(), encoded[i].size()}, decoded[i]))
      return std::nullopt;
  }
  return parts;
}

EVP_PKEY* read_public_key(const std::string& pem) {
  BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  // Without a callback OpenSSL would ask the terminal for the passphrase of an encrypted PEM.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  EVP_PKEY* const key = PEM_read_bio_PUBKEY(bio, nullptr, no_passphrase, nullptr);
  BIO_free(bio);
  ERR_clear_error();
  return key;
}

bool hmac_sha256_is(std::string_view key, std::string_view data, std::string_view expected) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
            reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest, &size)) {
    return false;
  }
  return expected.size() == size && CRYPTO_memcmp(digest, expected.data(), size) == 0;
}

bool rsa_sha256_is(EVP_PKEY* key, std::string_view data, std::string_view signature) {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  const bool good =
      context && EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key) == 1 &&
      EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()),
                       signature.size(), reinterpret_cast<const unsigned char*>(data.data()),
                       data.size()) == 1;
  EVP_MD_CTX_free(context);
  ERR_clear_error();  // a bad signature leaves an error that would be blamed on the next call
  return good;
}

}  // namespace

std::string_view to_string(JwtStatus status) {
  switch (status) {
    case JwtStatus::kValid:
      return "the token is valid";
    case JwtStatus::kUnusableKey:
      return "the policy's JWT key is unusable";
    case JwtStatus::kMalformed:
      return "the token is malformed";
    case JwtStatus::kWrongAlgorithm:
      return "the token is signed with another algorithm";
    case JwtStatus::kBadSignature:
      return "the token's signature is wrong";
    case JwtStatus::kNoExpiry:
      return "the token has no expiry time (exp)";
    case JwtStatus::kExpired:
      return "the token has expired";
    case JwtStatus::kNotYetValid:
      return "the token is not valid yet (nbf)";
    case JwtStatus::kWrongIssuer:
      return "the token comes from another issuer (iss)";
    case JwtStatus::kWrongAudience:
      return "the token is meant for another audience (aud)";
    case JwtStatus::kNoConsumer:
      return "the token names no consumer";
  }
  return "unknown";
}

JwtVerifier::JwtVerifier(policy::Jwt config) : config_(std::move(config)) {
  if (const JwtPtr jwt = new_jwt(); jwt && !config_.audience.empty()) {
    jwt_add_grant(jwt.get(), "aud", config_.audience.c_str());
    audience_json_ = json_of(jwt.get(), "aud");
  }
  if (config_.algorithm == policy::JwtAlgorithm::kHs256) {
    if (config_.key.empty()) {
      key_fault_ = "the secret is empty, so that anybody could sign tokens";
    } else if (config_.key.find("-----BEGIN ") != std::string::npos) {
      // A public key taken for a secret is a secret that everybody has.
      key_fault_ = "HS256 takes a secret, but this is a key in PEM";
    }
    return;
  }
  public_key_.reset(read_public_key(config_.key));
  if (!public_key_ || EVP_PKEY_get_base_id(public_key_.get()) != EVP_PKEY_RSA) {
    key_fault_ = "RS256 takes an RSA public key in PEM (BEGIN PUBLIC KEY), but this is none";
  } else if (EVP_PKEY_get_bits(public_key_.get()) < kLeastRsaBits) {
    key_fault_ = "RS256 takes an RSA key of 2048 bits or more, but this one is shorter";
  }
}

JwtResult JwtVerifier::verify(std::string_view token, int64_t unix_s) const {
  const auto refuse = [](JwtStatus status) {
    JwtResult result;
    result.status = status;
    return result;
  };
  if (!key_fault_.empty()) return refuse(JwtStatus::kUnusableKey);
  const std::optional<Parts> parts = split(token);
  if (!parts) return refuse(JwtStatus::kMalformed);
  const JwtPtr header = parse(parts->header, jwt_add_headers_json);
  if (!header) return refuse(JwtStatus::kMalformed);

  const bool hmac = config_.algorithm == policy::JwtAlgorithm::kHs256;
  if (text_of(jwt_get_header(header.get(), "alg")) != (hmac ? "HS256" : "RS256")) {
    return refuse(JwtStatus::kWrongAlgorithm);
  }
  // RFC 7515, 4.1.11: what must be understood and is not makes the token invalid.
  const std::unique_ptr<char, FreeText> critical(jwt_get_headers_json(header.get(), "crit"));
  if (critical) return refuse(JwtStatus::kMalformed);

  if (!signature_is_good(parts->signed_part, parts->signature)) {
    return refuse(JwtStatus::kBadSignature);
  }
  return judge_claims(parts->payload, unix_s);
}

bool JwtVerifier::signature_is_good(std::string_view signed_part,
                                    std::string_view signature) const {
  return config_.algorithm == policy::JwtAlgorithm::kHs256
             ? hmac_sha256_is(config_.key, signed_part, signature)
             : rsa_sha256_is(public_key_.get(), signed_part, signature);
}

JwtResult JwtVerifier::judge_claims(const std::string& payload, int64_t unix_s) const {
  JwtResult result;
  const auto refuse = [&](JwtStatus status) {
    result.status = status;
    return std::move(result);
  };
  const JwtPtr claims = parse(payload, jwt_add_grants_json);
  if (!claims) return refuse(JwtStatus::kMalformed);
  const auto text = [&](const std::string& name) {
    return text_of(jwt_get_grant(claims.get(), name.c_str()));
  };

  const std::optional<double> expiry = date_of(claims.get(), "exp");
  if (!expiry) return refuse(JwtStatus::kNoExpiry);
  result.expires_unix_s = static_cast<int64_t>(std::floor(*expiry));
  if (unix_s >= result.expires_unix_s) {
    result.from_unix_s = result.expires_unix_s;
    return refuse(JwtStatus::kExpired);
  }
  result.until_unix_s = result.expires_unix_s;
  if (!json_of(claims.get(), "nbf").empty()) {
    const std::optional<double> not_before = date_of(claims.get(), "nbf");
    if (!not_before) return refuse(JwtStatus::kMalformed);
    const int64_t valid_from = static_cast<int64_t>(std::ceil(*not_before)) - kNotBeforeLeewayS;
    if (unix_s < valid_from) {
      result.until_unix_s = std::min(valid_from, result.expires_unix_s);
      return refuse(JwtStatus::kNotYetValid);
    }
    result.from_unix_s = valid_from;
  }
  if (!config_.issuer.empty() && text("iss") != config_.issuer) {
    return refuse(JwtStatus::kWrongIssuer);
  }
  if (!config_.audience.empty() && !is_or_contains(json_of(claims.get(), "aud"), audience_json_)) {
    return refuse(JwtStatus::kWrongAudience);
  }
  result.consumer = text(config_.consumer_claim);
  if (!policy::is_consumer_id(result.consumer)) return refuse(JwtStatus::kNoConsumer);
  result.tier = text(config_.tier_claim);
  result.status = JwtStatus::kValid;
  return result;
}

}  // namespace quota::identity
