#include "policy/faults.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/escaping.h"

namespace quota::policy {
namespace {

constexpr size_t kMaxShown = 60;

// Levenshtein distance: how many letters must be inserted, removed or replaced.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replace = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replace, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::vector<Fault> Faults::list() const {
  std::vector<Fault> sorted = kept_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Fault& a, const Fault& b) { return a.at < b.at; });
  return sorted;
}

std::string Faults::report(std::string_view file) const {
  std::string text;
  const auto say = [&](Position at, std::string_view sentence) {
    text +=
        fmt::format("{}{}:{}:{}: {}", text.empty() ? "" : "\n", file, at.line, at.column, sentence);
  };
  const std::vector<Fault> faults = list();
  for (size_t i = 0; i < faults.size(); ++i) {
    if (i == kMaxReported) {
      say(faults[i].at, "more errors follow; fix the ones above first");
      break;
    }
    say(faults[i].at, faults[i].text);
  }
  return text;
}

std::string show(std::string_view text) {
  if (text.size() <= kMaxShown)
    return fmt::format("`{}`", absl::Utf8SafeCEscape(std::string(text)));
  size_t end = kMaxShown;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // never in the middle of a character
  return fmt::format("`{}…`", absl::Utf8SafeCEscape(std::string(text.substr(0, end))));
}

std::string hint(std::string_view word, const std::vector<std::string_view>& known) {
  size_t nearest = word.size() / 3 + 1;  // at most every third letter is wrong
  std::string_view best;
  // Nothing that long is a slip of the finger, and the distance costs the product of the lengths.
  if (word.size() <= kMaxShown) {
    for (const std::string_view candidate : known) {
      if (const size_t d = distance(word, candidate); d <= nearest && d < candidate.size()) {
        if (best.empty() || d < nearest) best = candidate;
        nearest = d;
      }
    }
  }
  if (!best.empty()) return fmt::format("did you mean `{}`?", best);
  if (known.size() == 1) return fmt::format("only `{}` is known", known[0]);
  std::string text = "known are ";
  for (size_t i = 0; i < known.size(); ++i) {
    text += i == 0 ? "" : i + 1 < known.size() ? ", " : " and ";
    text += known[i];
  }
  return text;
}

}  // namespace quota::policy
