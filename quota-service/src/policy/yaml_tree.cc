#include "policy/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "policy/utf8.h"

namespace quota::policy {
namespace {

constexpr size_t kMaxDepth = 16;
constexpr std::string_view kStandardTag = "tag:yaml.org,2002:";  // written !!

Position position_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

// Thrown through yaml-cpp to end the parse; the fault has been added.
struct Abandoned {};

// Builds the tree from the parser's events, so that nothing is expanded that was not written.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Faults& faults) : faults_(faults) {}

  YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (started_) abandon(position_of(mark), Message::kSecondDocument);
    started_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    if (expects_key()) abandon(position_of(mark), Message::kKeyNotText);
    YamlNode node;
    // yaml-cpp places a missing value at the token that follows, which may be lines away.
    const bool of_key = !open_.empty() && open_.back().node.kind == YamlNode::Kind::kMap;
    node.at = of_key ? open_.back().node.keys.back().at : position_of(mark);
    place(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    abandon(position_of(mark), Message::kAlias);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (expects_key()) {
      add_key(value, position_of(mark));
      return;
    }
    YamlNode node;
    node.kind = YamlNode::Kind::kScalar;
    node.plain = tag != "!";
    node.at = position_of(mark);
    node.text = value;
    place(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or map that has begun and not ended.
  struct Open {
    YamlNode node;
    absl::flat_hash_map<std::string, int> line_of_key;
    bool skip_value = false;  // of a key that was there already
  };

  template <typename... Arguments>
  [[noreturn]] void abandon(Position at, Message message, const Arguments&... arguments) {
    faults_.add(at, message, arguments...);
    throw Abandoned{};
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) abandon(position_of(mark), Message::kAlias);
  }

  // "?" and "!" are yaml-cpp's own marks of plain and quoted scalars.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    const bool standard = tag.starts_with(kStandardTag);
    faults_.add(position_of(mark), Message::kTag,
                show(standard ? "!!" + tag.substr(kStandardTag.size()) : tag));
  }

  bool expects_key() const {
    if (open_.empty()) return false;
    const YamlNode& node = open_.back().node;
    return node.kind == YamlNode::Kind::kMap && node.keys.size() == node.items.size() &&
           !open_.back().skip_value;
  }

  void add_key(const std::string& key, Position at) {
    Open& map = open_.back();
    const auto [found, is_new] = map.line_of_key.emplace(key, at.line);
    if (is_new) {
      map.node.keys.push_back({key, at});
    } else {
      faults_.add(at, Message::kDuplicateKey, show(key), found->second);
      map.skip_value = true;
    }
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (expects_key()) abandon(position_of(mark), Message::kKeyNotText);
    if (open_.size() == kMaxDepth) abandon(position_of(mark), Message::kTooDeep, kMaxDepth);
    Open& opened = open_.emplace_back();
    opened.node.kind = kind;
    opened.node.at = position_of(mark);
  }

  void close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    place(std::move(node));
  }

  void place(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().skip_value) {
      open_.back().skip_value = false;
    } else {
      open_.back().node.items.push_back(std::move(node));
    }
  }

  Faults& faults_;
  std::vector<Open> open_;
  YamlNode root_;
  bool started_ = false;
};

// What yaml-cpp would silently replace, or take for the end of the file.
bool is_clean_text(std::string_view text, Faults& faults) {
  Position at;
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const unsigned char first = static_cast<unsigned char>(text[0]);
    if (length == 0) {
      faults.add(at, Message::kNotUtf8);
      return false;
    }
    if ((first < 0x20 && first != '\t' && first != '\n' && first != '\r') || first == 0x7f) {
      faults.add(at, Message::kControlCharacter, fmt::format("{:#04x}", first));
      return false;
    }
    at.column += static_cast<int>(length);
    if (first == '\n') at = {at.line + 1, 1};
    text.remove_prefix(length);
  }
  return true;
}

// The commonest mistake of all, for which yaml-cpp has no words of its own.
bool is_indented_with_tab(std::string_view yaml, int line) {
  for (int i = 1; i < line; ++i) {
    const size_t end = yaml.find('\n');
    if (end == std::string_view::npos) return false;
    yaml.remove_prefix(end + 1);
  }
  const size_t indent = std::min(yaml.find_first_not_of(" \t"), yaml.size());
  return yaml.substr(0, indent).find('\t') != std::string_view::npos;
}

}  // namespace

std::string_view describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return "a single value";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
  }
  return "something else";
}

std::optional<YamlNode> parse_yaml(std::string_view yaml, Faults& faults) {
  if (yaml.size() > kMaxPolicyBytes) {
    faults.add({}, Message::kFileTooLarge, kMaxPolicyBytes >> 20);
    return std::nullopt;
  }
  if (!is_clean_text(yaml, faults)) return std::nullopt;

  TreeBuilder builder(faults);
  // yaml-cpp takes a quoted text that is still open at a final line break for complete. It does not
  // when something follows, and to every other text a comment makes no difference.
  const bool ends_line = yaml.empty() || yaml.ends_with('\n');
  std::istringstream stream(std::string(yaml) + (ends_line ? "#" : "\n#"));
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Abandoned&) {
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    const Position at = position_of(error.mark);
    if (is_indented_with_tab(yaml, at.line)) {
      faults.add({at.line, 1}, Message::kTabIndent);
    } else {
      // It may quote a byte of the file, of which it then knows no more than that it is wrong.
      faults.add(at, Message::kSyntax, absl::CEscape(error.msg));
    }
    return std::nullopt;
  }
  return builder.take_root();
}

}  // namespace quota::policy
