#include "cli/table.h"

#include <algorithm>

namespace quota::cli {
namespace {

// Characters, not bytes: continuation bytes of UTF-8 take no room.
size_t width(const std::string& text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, '?');
  return text;
}

void Table::add(std::vector<std::string> row) {
  std::ranges::transform(row, row.begin(), printable);
  rows_.push_back(std::move(row));
}

std::string Table::to_string() const {
  constexpr size_t kGap = 2;
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - width(row[i]) + kGap, ' ');
    }
    text += '\n';
  }
  return text;
}

}  // namespace quota::cli
