#include "policy/fields.h"

#include <algorithm>

#include "policy/decimal.h"

namespace quota::policy {
namespace {

const std::vector<YamlNode> kNoNodes;

// What was written, when it may be shown: a number has no secrets, lists say only that they are.
std::string shown(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar) return std::string(describe(node));
  return node.plain ? show(node.text) : "the quoted text " + show(node.text);
}

}  // namespace

Fields::Fields(const YamlNode& node, std::string where,
               std::initializer_list<std::string_view> known, Faults& faults)
    : node_(node), where_(std::move(where)), faults_(faults) {
  if (node.kind != YamlNode::Kind::kMap) {
    if (node.kind != YamlNode::Kind::kNull) {
      faults.add(node.at, Message::kNotMapping, where_, describe(node));
    }
    return;
  }
  for (const YamlKey& key : node.keys) {
    if (faults.full()) break;
    if (std::find(known.begin(), known.end(), key.text) == known.end()) {
      faults.add(key.at, Message::kUnknownKey, show(key.text), where_, hint(key.text, known));
    }
  }
}

const YamlNode* Fields::find(std::string_view key) const {
  for (size_t i = 0; i < node_.keys.size(); ++i) {
    if (node_.keys[i].text == key) return &node_.items[i];
  }
  return nullptr;
}

Position Fields::at(std::string_view key) const {
  const YamlNode* value = find(key);
  return value == nullptr ? node_.at : value->at;
}

const YamlNode* Fields::scalar(std::string_view key, Message otherwise) const {
  const YamlNode* value = find(key);
  if (value == nullptr || value->kind == YamlNode::Kind::kScalar) return value;
  if (value->kind == YamlNode::Kind::kNull) {
    faults_.add(value->at, Message::kNoValue, key);
  } else if (otherwise == Message::kNotText) {
    faults_.add(value->at, otherwise, fmt::format("`{}`", key), describe(*value));
  } else {
    faults_.add(value->at, otherwise, key, describe(*value));
  }
  return nullptr;
}

std::optional<int64_t> Fields::number(std::string_view key, int64_t least, int64_t most,
                                      bool whole_only) const {
  const YamlNode* value = scalar(key, Message::kNotNumber);
  if (value == nullptr) return std::nullopt;
  const auto decimal = value->plain ? parse_decimal(value->text) : std::nullopt;
  if (!decimal) {
    faults_.add(value->at, Message::kNotNumber, key, shown(*value));
  } else if (whole_only && decimal->decimals > 0) {
    faults_.add(value->at, Message::kNotWhole, key, show(value->text));
  } else if (decimal->decimals > 3) {
    faults_.add(value->at, Message::kTooManyDecimals, key, show(value->text));
  } else if (decimal->negative || decimal->milli < least || decimal->milli > most) {
    faults_.add(value->at, Message::kOutOfRange, key, show(value->text), milli_to_string(least),
                milli_to_string(most));
  } else {
    return decimal->milli;
  }
  return std::nullopt;
}

std::optional<int64_t> Fields::milli(std::string_view key, int64_t least, int64_t most) const {
  return number(key, least, most, false);
}

std::optional<int64_t> Fields::whole(std::string_view key, int64_t least, int64_t most) const {
  const auto milli = number(key, least * 1000, most * 1000, true);
  return milli ? std::optional(*milli / 1000) : std::nullopt;
}

std::optional<bool> Fields::flag(std::string_view key) const {
  const YamlNode* value = scalar(key, Message::kNotFlag);
  if (value == nullptr) return std::nullopt;
  if (value->plain && value->text == "true") return true;
  if (value->plain && value->text == "false") return false;
  faults_.add(value->at, Message::kNotFlag, key, shown(*value));
  return std::nullopt;
}

std::optional<std::string> Fields::text(std::string_view key) const {
  const YamlNode* value = scalar(key, Message::kNotText);
  return value == nullptr ? std::nullopt : std::optional(value->text);
}

std::optional<std::string> Fields::filled_text(std::string_view key) const {
  auto value = text(key);
  if (value && value->empty()) {
    faults_.add(at(key), Message::kEmptyText, key);
    return std::nullopt;
  }
  return value;
}

const std::vector<YamlNode>& Fields::list(std::string_view key) const {
  const YamlNode* value = find(key);
  if (value == nullptr || value->kind == YamlNode::Kind::kNull) return kNoNodes;
  if (value->kind == YamlNode::Kind::kList) return value->items;
  faults_.add(value->at, Message::kNotList, fmt::format("`{}`", key), describe(*value));
  return kNoNodes;
}

void Fields::require(std::string_view key) const {
  const bool readable = node_.kind == YamlNode::Kind::kMap || node_.kind == YamlNode::Kind::kNull;
  if (readable && !has(key)) faults_.add(node_.at, Message::kMissingKey, where_, key);
}

const std::string* element_text(const YamlNode& node, std::string_view what, Faults& faults) {
  if (node.kind == YamlNode::Kind::kScalar) return &node.text;
  faults.add(node.at, Message::kNotText, what, describe(node));
  return nullptr;
}

bool within(size_t count, size_t most, std::string_view what, Position at, Faults& faults) {
  if (count <= most) return true;
  faults.add(at, Message::kTooMany, count, what, most);
  return false;
}

}  // namespace quota::policy
