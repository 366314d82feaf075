#include "answer_reader.h"

#include <strings.h>
#include <algorithm>
#include <charconv>

namespace quota::load {
namespace {

constexpr size_t kMaxHead = 16384;
constexpr std::string_view kEndOfHead = "\r\n\r\n";

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

template <typename Number>
bool read_number(std::string_view text, Number* number) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

AnswerReader::State AnswerReader::feed(std::string_view bytes) {
  if (!in_body_) {
    const size_t searched = head_.size() < kEndOfHead.size() ? 0 : head_.size() - 3;
    const size_t before = head_.size();
    head_.append(bytes);
    const size_t end = head_.find(kEndOfHead, searched);
    if (end == std::string::npos) {
      return head_.size() > kMaxHead ? State::kBroken : State::kMore;
    }
    if (!read_head(std::string_view(head_).substr(0, end))) {
      return State::kBroken;
    }
    bytes.remove_prefix(end + kEndOfHead.size() - before);
    in_body_ = true;
  }
  if (bytes.size() > left_) {
    return State::kBroken;  // more than was asked for
  }
  left_ -= bytes.size();
  return left_ == 0 ? State::kDone : State::kMore;
}

void AnswerReader::clear() {
  head_.clear();
  in_body_ = false;
  left_ = 0;
  status_ = 0;
}

// Without a length the end of an answer is not known: only what carries one, or needs none, is
// read.
bool AnswerReader::read_head(std::string_view head) {
  size_t end = head.find("\r\n");
  const std::string_view first = head.substr(0, end);
  if (!first.starts_with("HTTP/1.") || first.size() < 12 ||
      !read_number(first.substr(9, 3), &status_)) {
    return false;
  }
  bool has_length = status_ == 204 || status_ == 304;
  while (end != std::string_view::npos) {
    head.remove_prefix(end + 2);
    end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos && same_name(line.substr(0, colon), "content-length")) {
      if (!read_number(line.substr(colon + 1), &left_)) {
        return false;
      }
      has_length = true;
    }
  }
  return has_length;
}

}  // namespace quota::load
