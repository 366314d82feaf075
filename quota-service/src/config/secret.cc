#include "config/secret.h"

#include <sys/stat.h>

#include "config/invalid.h"
#include "config/read_file.h"

namespace quota::config {
namespace {

constexpr size_t kLongestFile = 8192;

}  // namespace

absl::StatusOr<std::optional<std::string>> read_secret(const SecretSource& source,
                                                       std::vector<std::string>& warnings) {
  const auto stripped = [](std::string text) {
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    return std::optional<std::string>(std::move(text));
  };
  if (source.path.empty()) {
    if (source.value == nullptr) return std::nullopt;
    return stripped(source.value);
  }
  if (source.value != nullptr) {
    return invalid("both {} and {} are given: keep one of them", source.setting, source.variable);
  }
  auto text = read_file(source.path, kLongestFile);
  if (!text.ok()) return located(text.status(), source.setting);
  struct stat info {};
  if (stat(source.path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0) {
    warnings.push_back(
        fmt::format("every user of this host can read {}: run chmod o-r on it", source.path));
  }
  return stripped(*std::move(text));
}

}  // namespace quota::config
