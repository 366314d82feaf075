#include "cli/secrets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "config/read_file.h"

namespace quota::cli {
namespace {

constexpr size_t kLongest = 16 << 10;

}  // namespace

absl::StatusOr<std::string> read_secret(const std::string& file, const char* variable) {
  std::string secret;
  if (file.empty()) {
    const char* const text = std::getenv(variable);
    secret = text == nullptr ? "" : text;
  } else {
    auto text = config::read_file(file == "-" ? "/dev/stdin" : file, kLongest);
    if (!text.ok()) return text.status();
    secret = *std::move(text);
  }
  while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
  const std::string source = file.empty() ? variable : file == "-" ? "standard input" : file;
  if (secret.empty() && !file.empty()) {
    return absl::InvalidArgumentError(fmt::format("{} holds no secret; it is empty", source));
  }
  if (!std::ranges::all_of(secret, [](char c) { return c >= ' ' && c <= '~'; })) {
    return absl::InvalidArgumentError(
        fmt::format("{} holds more than one line, or bytes that are not ASCII", source));
  }
  return secret;
}

}  // namespace quota::cli
