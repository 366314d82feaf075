#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "policy/messages.h"

namespace quota::policy {

// Where in the file, counted from 1; columns are bytes.
struct Position {
  int line = 1;
  int column = 1;

  friend auto operator<=>(const Position&, const Position&) = default;
};

struct Fault {
  Position at;
  Message message;
  std::string text;
};

// Gathers all that is wrong, in whatever order it is found, and tells it in the order of the file.
class Faults {
 public:
  template <typename... Arguments>
  void add(Position at, Message message, const Arguments&... arguments) {
    if (full()) return;
    kept_.push_back({at, message, fmt::format(fmt::runtime(format_of(message)), arguments...)});
  }

  bool empty() const { return kept_.empty(); }
  size_t size() const { return kept_.size(); }
  // A file can hold a million faults; nobody reads them, and finding more is a waste of time.
  bool full() const { return kept_.size() == kMaxKept; }
  // Ordered by position.
  std::vector<Fault> list() const;
  // One "file:line:column: sentence" per line; long lists are cut short.
  std::string report(std::string_view file) const;

 private:
  static constexpr size_t kMaxKept = 10'000;
  static constexpr size_t kMaxReported = 100;

  std::vector<Fault> kept_;
};

// `text` between backticks, fit to be shown: cut short, and without anything that is not printable.
std::string show(std::string_view text);

// "did you mean `x`?" when one of `known` is close to `word`, else "known are a, b and c". `known`
// must not be empty.
std::string hint(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace quota::policy
