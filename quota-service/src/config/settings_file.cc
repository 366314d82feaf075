#include "config/settings_file.h"

#include <yaml-cpp/yaml.h>

#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "config/fields.h"
#include "config/invalid.h"
#include "config/read_file.h"
#include "policy/faults.h"

namespace quota::config {
namespace {

constexpr size_t kLargestFile = 1 << 20;

absl::Status error_at(const std::string& path, const YAML::Mark& mark, std::string_view message) {
  return invalid("{}:{}:{}: {}", path, mark.line + 1, mark.column + 1, message);
}

std::string hint_for(const std::string& name) {
  std::vector<std::string_view> known;
  for (const Field& field : fields()) known.push_back(field.name);
  return policy::hint(name, known);
}

absl::Status read_document(const std::string& path, const YAML::Node& root, Settings& settings) {
  if (!root.IsDefined() || root.IsNull()) return absl::OkStatus();
  if (!root.IsMap()) {
    return error_at(path, root.Mark(), "the file must hold settings such as \"threads: 2\"");
  }
  absl::flat_hash_set<std::string> seen;
  for (const auto& entry : root) {
    const YAML::Mark at = entry.first.Mark();
    if (!entry.first.IsScalar()) return error_at(path, at, "the name of a setting must be a word");
    const std::string& name = entry.first.Scalar();
    if (name == "admin_token") {
      return error_at(path, at, "a secret does not belong here: name its file as admin_token_file");
    }
    const Field* field = find_field(name);
    if (field == nullptr) {
      return error_at(
          path, at, fmt::format("there is no setting {}; {}", policy::show(name), hint_for(name)));
    }
    if (!seen.insert(name).second) {
      return error_at(path, at, fmt::format("{} is set twice: keep one of them", name));
    }
    if (!entry.second.IsScalar()) {
      return error_at(path, entry.second.IsNull() ? at : entry.second.Mark(),
                      fmt::format("{} must have one value; quotad --help says which", name));
    }
    if (absl::Status status = assign(*field, entry.second.Scalar(), settings); !status.ok()) {
      return error_at(path, entry.second.Mark(),
                      fmt::format("{}: {}", name, std::string(status.message())));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status read_settings_file(const std::string& path, Settings& settings) {
  const auto text = read_file(path, kLargestFile);
  if (!text.ok()) return text.status();
  try {
    return read_document(path, YAML::Load(*text), settings);
  } catch (const YAML::Exception& error) {
    return error_at(path, error.mark, error.msg);
  }
}

}  // namespace quota::config
