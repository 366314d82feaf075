#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quota::load {

// Finds the end of an HTTP/1.1 answer in what a connection delivers. One answer at a time: the
// client asks anew only when the answer before has come.
class AnswerReader {
 public:
  enum class State { kMore, kDone, kBroken };

  State feed(std::string_view bytes);

  // Of the answer that is done.
  int status() const { return status_; }

  // Before the next answer.
  void clear();

 private:
  bool read_head(std::string_view head);

  std::string head_;
  bool in_body_ = false;
  size_t left_ = 0;
  int status_ = 0;
};

}  // namespace quota::load
