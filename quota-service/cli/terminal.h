#pragma once

#include <termios.h>

#include <chrono>
#include <string>

namespace quota::cli {

// The whole terminal for one command, until the object is gone: then it is as it was, whatever
// ended the command short of a SIGKILL.
class Terminal {
 public:
  // Whether both standard input and output are terminals.
  static bool is_there();

  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Shows the text, cut to what fits, instead of what was there.
  void show(const std::string& text);
  // False when somebody wants to leave: by q, Ctrl-C, or a signal.
  bool wait(std::chrono::milliseconds time);

 private:
  termios before_{};
};

// The lines of `text` that fit, each cut to `columns` characters.
std::string fitted(const std::string& text, size_t lines, size_t columns);

}  // namespace quota::cli
