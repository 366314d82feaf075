#include "config/admin_token.h"

#include <algorithm>

#include "config/invalid.h"
#include "config/secret.h"

namespace quota::config {
namespace {

constexpr size_t kShortestToken = 16;
constexpr size_t kLongestToken = 4096;

absl::StatusOr<std::string> checked(std::string token, std::string_view source) {
  if (token.empty()) {
    return invalid("{} holds no admin token: write one, or remove the setting", source);
  }
  if (token.size() < kShortestToken || token.size() > kLongestToken) {
    return invalid(
        "the admin token in {} must have from {} to {} characters, for example from: openssl rand "
        "-hex 32",
        source, kShortestToken, kLongestToken);
  }
  if (!std::ranges::all_of(token, [](char c) { return c > ' ' && c <= '~'; })) {
    return invalid(
        "the admin token in {} holds spaces or bytes that no HTTP header can carry; use visible "
        "ASCII",
        source);
  }
  return token;
}

}  // namespace

absl::StatusOr<std::string> read_admin_token(const std::string& path, const char* variable,
                                             std::vector<std::string>& warnings) {
  auto token = read_secret({.setting = "admin_token_file",
                            .variable = "QUOTAD_ADMIN_TOKEN",
                            .path = path,
                            .value = variable},
                           warnings);
  if (!token.ok()) return token.status();
  if (!token->has_value()) return std::string();
  return checked(**std::move(token), path.empty() ? "QUOTAD_ADMIN_TOKEN" : path);
}

}  // namespace quota::config
