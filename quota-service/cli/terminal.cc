#include "cli/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

namespace quota::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l";  // another screen, no cursor
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kClearToEndOfLine = "\x1b[K";
constexpr std::string_view kClearBelow = "\x1b[J";
constexpr std::array kEnding = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr char kCtrlC = 3;

// Handlers reach nothing else.
volatile std::sig_atomic_t is_ended = 0;

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

bool Terminal::is_there() { return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0; }

Terminal::Terminal() {
  struct sigaction action {};
  action.sa_handler = [](int) { is_ended = 1; };
  for (const int number : kEnding) sigaction(number, &action, nullptr);
  tcgetattr(STDIN_FILENO, &before_);
  termios raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  write_all(kEnter);
}

Terminal::~Terminal() {
  write_all(kLeave);
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
}

void Terminal::show(const std::string& text) {
  winsize size{};
  ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
  const size_t lines = size.ws_row == 0 ? 24 : size.ws_row;
  const size_t columns = size.ws_col == 0 ? 80 : size.ws_col;
  std::string screen(kHome);
  for (const char c : fitted(text, lines - 1, columns)) {
    if (c == '\n') screen += kClearToEndOfLine;
    screen += c;
  }
  screen += kClearBelow;
  write_all(screen);
}

bool Terminal::wait(std::chrono::milliseconds time) {
  const auto end = Clock::now() + time;
  while (is_ended == 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left <= std::chrono::milliseconds::zero()) return true;
    pollfd keys{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (poll(&keys, 1, static_cast<int>(left.count())) <= 0) continue;
    char key = 0;
    if (read(STDIN_FILENO, &key, 1) <= 0) return false;  // the terminal is gone
    if (key == 'q' || key == 'Q' || key == kCtrlC) return false;
  }
  return false;
}

std::string fitted(const std::string& text, size_t lines, size_t columns) {
  std::string result;
  size_t width = 0;
  for (const char c : text) {
    if (lines == 0) break;
    const bool is_continuation = (static_cast<unsigned char>(c) & 0xc0) == 0x80;
    if (c == '\n') {
      width = 0;
      --lines;
    } else if (!is_continuation) {
      ++width;
    }
    if (width <= columns) result += c;
  }
  return result;
}

}  // namespace quota::cli
