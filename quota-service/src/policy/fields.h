#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/faults.h"
#include "policy/yaml_tree.h"

namespace quota::policy {

// A mapping whose keys are known beforehand. Each reader gives the value of one key, or nothing
// when the key is absent or its value is wrong; the wrong ones become faults here, so that callers
// only say what they want and carry on.
class Fields {
 public:
  // `where` is what the mapping is called in messages: "tier `free`". A null is an empty mapping.
  Fields(const YamlNode& node, std::string where, std::initializer_list<std::string_view> known,
         Faults& faults);

  bool has(std::string_view key) const { return find(key) != nullptr; }
  const YamlNode* find(std::string_view key) const;
  // Where the value of `key` is; of the mapping itself when there is none.
  Position at(std::string_view key) const;
  Position at() const { return node_.at; }
  const std::string& where() const { return where_; }

  // A decimal in thousandths; the range is in thousandths too.
  std::optional<int64_t> milli(std::string_view key, int64_t least, int64_t most) const;
  std::optional<int64_t> whole(std::string_view key, int64_t least, int64_t most) const;
  std::optional<bool> flag(std::string_view key) const;
  std::optional<std::string> text(std::string_view key) const;
  std::optional<std::string> filled_text(std::string_view key) const;  // not ""
  // Empty when absent, and when it has no value: `consumers:` with nothing after it is a habit.
  const std::vector<YamlNode>& list(std::string_view key) const;
  void require(std::string_view key) const;

  // One of a few words, each standing for a value.
  template <typename T>
  std::optional<T> choice(std::string_view key,
                          std::initializer_list<std::pair<std::string_view, T>> choices) const {
    const YamlNode* node = scalar(key, Message::kNotText);
    if (node == nullptr) return std::nullopt;
    std::vector<std::string_view> known;
    for (const auto& [word, value] : choices) {
      if (word == node->text) return value;
      known.push_back(word);
    }
    faults_.add(node->at, Message::kUnknownChoice, fmt::format("`{}`", key), show(node->text),
                hint(node->text, known));
    return std::nullopt;
  }

 private:
  const YamlNode* scalar(std::string_view key, Message otherwise) const;
  std::optional<int64_t> number(std::string_view key, int64_t least, int64_t most,
                                bool whole_only) const;

  const YamlNode& node_;
  std::string where_;
  Faults& faults_;
};

// The text of an element of a list; null, with a fault, when it is something else.
const std::string* element_text(const YamlNode& node, std::string_view what, Faults& faults);

// False, with a fault at `node`, when `count` of `what` are more than `most`.
bool within(size_t count, size_t most, std::string_view what, Position at, Faults& faults);

}  // namespace quota::policy
