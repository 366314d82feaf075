#include "store/subject_text.h"

#include <cctype>

#include "absl/strings/escaping.h"

namespace quota::store {
namespace {

constexpr std::string_view kAnonymous = "a:";

}  // namespace

std::string subject_to_text(std::string_view subject) {
  if (!subject.starts_with(kAnonymous)) return std::string(subject);
  const std::string address(subject.substr(kAnonymous.size()));
  return std::string(kAnonymous) + absl::BytesToHexString(address);
}

std::optional<std::string> subject_from_text(std::string_view text) {
  if (!text.starts_with(kAnonymous)) return std::string(text);
  const std::string hex(text.substr(kAnonymous.size()));
  if (hex.size() % 2 != 0) return std::nullopt;
  for (const char digit : hex) {
    if (std::isxdigit(static_cast<unsigned char>(digit)) == 0) return std::nullopt;
  }
  return std::string(kAnonymous) + absl::HexStringToBytes(hex);
}

}  // namespace quota::store
