#include "config/admin_token.h"

#include <sys/stat.h>

#include <algorithm>

#include "config/invalid.h"
#include "config/read_file.h"

namespace quota::config {
namespace {

constexpr size_t kShortestToken = 16;
constexpr size_t kLongestToken = 4096;
constexpr size_t kLongestFile = 2 * kLongestToken;

absl::StatusOr<std::string> checked(std::string token, std::string_view source) {
  while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
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
  if (path.empty()) {
    return variable == nullptr ? std::string() : checked(variable, "QUOTAD_ADMIN_TOKEN");
  }
  if (variable != nullptr) {
    return invalid("both admin_token_file and QUOTAD_ADMIN_TOKEN are given: keep one of them");
  }
  auto token = read_file(path, kLongestFile);
  if (!token.ok()) return located(token.status(), "admin_token_file");
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0) {
    warnings.push_back(
        fmt::format("every user of this host can read {}: run chmod o-r on it", path));
  }
  return checked(*std::move(token), path);
}

}  // namespace quota::config
