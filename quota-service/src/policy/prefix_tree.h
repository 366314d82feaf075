#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quota::policy {

// Prefixes with a list of numbers each, in a tree by their common beginnings: which of them a text
// begins with is found in one walk down the text, however many there are.
class PrefixTree {
 public:
  PrefixTree() = default;
  // Numbers of one prefix keep their order, which must be ascending.
  explicit PrefixTree(std::vector<std::pair<std::string, uint32_t>> prefixes);

  // The smallest number, of all prefixes of the text, for which takes(number) is true; `most` when
  // none is smaller than that.
  template <typename Takes>
  uint32_t smallest(std::string_view text, uint32_t most, Takes takes) const {
    uint32_t best = most;
    size_t at = 0;  // so much of the text is behind us
    for (const Node* node = nodes_.data(); !nodes_.empty() && node->smallest < best;) {
      if (node->label_size > 0) {
        const std::string_view label(labels_.data() + node->label, node->label_size);
        if (!text.substr(at).starts_with(label)) break;
        at += label.size();
      }
      for (uint32_t i = node->numbers; i < node->numbers_end && numbers_[i] < best; ++i) {
        if (takes(numbers_[i])) best = numbers_[i];
      }
      if (node->children_count == 0 || at == text.size()) break;
      const size_t child =
          std::string_view(heads_.data() + node->children, node->children_count).find(text[at]);
      if (child == std::string_view::npos) break;
      node = nodes_.data() + node->children + child;
    }
    return best;
  }

 private:
  // What follows the node's parent, and what belongs to the prefix that ends here.
  struct Node {
    uint32_t label = 0;  // in labels_
    uint32_t label_size = 0;
    uint32_t smallest = 0;  // number here and below
    uint32_t numbers = 0;   // in numbers_
    uint32_t numbers_end = 0;
    uint32_t children = 0;  // in nodes_, one after the other
    uint32_t children_count = 0;
  };

  std::vector<Node> nodes_;  // the root first
  std::string heads_;        // the first byte of each node's label; "\0" for the root
  std::string labels_;
  std::vector<uint32_t> numbers_;
};

}  // namespace quota::policy
