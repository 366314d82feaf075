#include "config/read_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "config/invalid.h"

namespace quota::config {

absl::StatusOr<std::string> read_file(const std::string& path, size_t most) {
  const auto close = [](std::FILE* file) { std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rbe"), close);
  if (file == nullptr) return invalid("cannot read {}: {}", path, std::strerror(errno));
  std::string text(most + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) {
    return invalid("cannot read {}: {}", path, std::strerror(errno));
  }
  if (text.size() > most) return invalid("{} holds more than {} bytes", path, most);
  return text;
}

}  // namespace quota::config
