#include "cli/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace quota::cli {

bool CsvReader::read_line() {
  if (!std::getline(in_, text_)) return false;
  bytes_ += text_.size() + 1;
  // As spreadsheets write it in front of UTF-8.
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (lines_read_++ == 0 && text_.starts_with(kByteOrderMark))
    text_.erase(0, kByteOrderMark.size());
  if (!text_.empty() && text_.back() == '\r') text_.pop_back();
  return true;
}

absl::StatusOr<bool> CsvReader::next(std::vector<std::string>& fields) {
  do {
    if (!read_line()) return false;
  } while (text_.empty());
  line_ = lines_read_;

  const auto wrong = [this](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("line {}: {}", line_, what));
  };
  size_t count = 0;
  const auto field = [&]() -> std::string& {
    if (count == fields.size()) fields.emplace_back();
    std::string& text = fields[count++];
    text.clear();
    return text;
  };
  size_t size = 0;
  size_t at = 0;
  while (true) {
    std::string& value = field();
    if (at < text_.size() && text_[at] == '"') {
      for (++at;;) {
        const size_t quote = text_.find('"', at);
        const size_t end = std::min(quote, text_.size());
        value.append(text_, at, end - at);
        // With the quote or the line end, which may be all there is.
        size += end - at + 1;
        if (size > kLongestRecord) return wrong("the record is longer than 1 MB");
        if (quote == std::string::npos) {
          // The line end belongs to the field.
          value += '\n';
          if (!read_line()) return wrong("a field in double quotes does not end");
          at = 0;
          continue;
        }
        at = quote + 1;
        if (at >= text_.size() || text_[at] != '"') break;
        value += '"';
        ++at;
      }
      if (at < text_.size() && text_[at] != ',') {
        return wrong("there is something between the double quote that ends a field and the comma");
      }
    } else {
      const size_t comma = std::min(text_.find(',', at), text_.size());
      value.append(text_, at, comma - at);
      size += value.size();
      if (size > kLongestRecord) return wrong("the record is longer than 1 MB");
      at = comma;
    }
    if (at >= text_.size()) break;
    ++at;  // the comma
  }
  fields.resize(count);
  return true;
}

}  // namespace quota::cli
