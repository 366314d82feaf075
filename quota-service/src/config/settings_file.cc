#include "config/settings_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
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
constexpr std::array<std::string_view, 4> kSecrets = {"admin_token", "store_password",
                                                      "events_hash_key", "webhook_secret"};

absl::Status error_at(const std::string& path, const YAML::Mark& mark, std::string_view message) {
  return invalid("{}:{}:{}: {}", path, mark.line + 1, mark.column + 1, message);
}

std::string hint_for(const std::string& name) {
  std::vector<std::string_view> known;
  for (const Field& field : fields()) known.push_back(field.name);
  return policy::hint(name, known);
}

// Settings that may stand together below a name: store: {url: …, exact: true}. What the name alone
// sets is called `itself` there.
struct Section {
  std::string_view name;
  std::string_view itself;
};
constexpr std::array kSections = {Section{"store", "url"}, Section{"events", "to"},
                                  Section{"webhook", ""}};

std::string full_name(const Section* section, const std::string& word) {
  if (section == nullptr) return word;
  if (word == section->itself) return std::string(section->name);
  return fmt::format("{}_{}", section->name, word);
}

absl::Status read_map(const std::string& path, const YAML::Node& map, const Section* section,
                      absl::flat_hash_set<std::string>& seen, Settings& settings) {
  for (const auto& entry : map) {
    const YAML::Mark at = entry.first.Mark();
    if (!entry.first.IsScalar()) return error_at(path, at, "the name of a setting must be a word");
    const std::string name = full_name(section, entry.first.Scalar());
    for (const std::string_view secret : kSecrets) {
      if (name != secret) continue;
      return error_at(path, at,
                      fmt::format("a secret does not belong here: name its file as {}_file", name));
    }
    const auto* const below = std::ranges::find(kSections, name, &Section::name);
    if (section == nullptr && below != kSections.end() && entry.second.IsMap()) {
      absl::Status status = read_map(path, entry.second, below, seen, settings);
      if (!status.ok()) return status;
      continue;
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

absl::Status read_document(const std::string& path, const YAML::Node& root, Settings& settings) {
  if (!root.IsDefined() || root.IsNull()) return absl::OkStatus();
  if (!root.IsMap()) {
    return error_at(path, root.Mark(), "the file must hold settings such as \"threads: 2\"");
  }
  absl::flat_hash_set<std::string> seen;
  return read_map(path, root, nullptr, seen, settings);
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
