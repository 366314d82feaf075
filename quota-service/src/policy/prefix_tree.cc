#include "policy/prefix_tree.h"

#include <algorithm>

namespace quota::policy {
namespace {

size_t common(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

PrefixTree::PrefixTree(std::vector<std::pair<std::string, uint32_t>> prefixes) {
  if (prefixes.empty()) return;
  std::ranges::sort(prefixes);
  // Of each node, the prefixes in its part of the tree and how much of them its parents say.
  struct Part {
    size_t begin, end, known;
  };
  std::vector<Part> parts{{0, prefixes.size(), 0}};
  nodes_.emplace_back();
  heads_.assign(1, '\0');
  for (size_t i = 0; i < parts.size(); ++i) {
    auto [begin, end, known] = parts[i];
    Node node;
    const std::string& first = prefixes[begin].first;
    // Sorted, all have in common what the first and the last have.
    const size_t shared = common(first, prefixes[end - 1].first);
    node.label = static_cast<uint32_t>(labels_.size());
    node.label_size = static_cast<uint32_t>(shared - known);
    labels_.append(first, known, shared - known);
    node.smallest = prefixes[begin].second;
    for (size_t at = begin; at < end; ++at) {
      node.smallest = std::min(node.smallest, prefixes[at].second);
    }
    node.numbers = static_cast<uint32_t>(numbers_.size());
    for (; begin < end && prefixes[begin].first.size() == shared; ++begin) {
      numbers_.push_back(prefixes[begin].second);
    }
    node.numbers_end = static_cast<uint32_t>(numbers_.size());
    node.children = static_cast<uint32_t>(nodes_.size());
    while (begin < end) {
      const char head = prefixes[begin].first[shared];
      const size_t from = begin;
      while (begin < end && prefixes[begin].first[shared] == head) ++begin;
      parts.push_back({from, begin, shared});
      nodes_.emplace_back();
      heads_ += head;
    }
    node.children_count = static_cast<uint32_t>(nodes_.size()) - node.children;
    nodes_[i] = node;
  }
}

}  // namespace quota::policy
