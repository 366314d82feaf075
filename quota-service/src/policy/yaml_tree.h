#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/faults.h"

namespace quota::policy {

inline constexpr size_t kMaxPolicyBytes = 8 << 20;

struct YamlKey {
  std::string text;
  Position at;
};

// One value of a YAML document and where it stands. YAML::Node is not used because it lets the last
// of two equal keys win, expands aliases, and guesses types: `NO` stays the text NO here.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  bool plain = false;           // a scalar without quotes
  Position at;                  // of a null: where its key is
  std::string text;             // of a scalar
  std::vector<YamlNode> items;  // of a list, or the values of a map
  std::vector<YamlKey> keys;    // of a map; keys[i] belongs to items[i]
};

// "a list", "a mapping": for sentences about a value of the wrong kind. Never its content,
// which may be a secret.
std::string_view describe(const YamlNode& node);

// Reads one document. Nothing when the text is so wrong that looking further makes no sense; a
// fault says why. Other faults, such as duplicate keys, are added and the tree is given all the
// same.
std::optional<YamlNode> parse_yaml(std::string_view yaml, Faults& faults);

}  // namespace quota::policy
