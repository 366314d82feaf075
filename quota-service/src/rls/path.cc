#include "rls/path.h"

namespace quota::rls {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The byte that "%xy" at the start of `text` stands for; 0 when there is none.
char escaped(std::string_view text) {
  if (text.size() < 3) return 0;
  const int high = hex_digit(text[1]);
  const int low = hex_digit(text[2]);
  return high < 0 || low < 0 ? '\0' : static_cast<char>(high << 4 | low);
}

// `path` ends with a whole segment: "." is dropped, ".." takes the one before along.
void resolve_last_segment(std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string_view segment = std::string_view(path).substr(slash + 1);
  if (segment == ".") {
    path.resize(slash + 1);
  } else if (segment == "..") {
    path.resize(slash);
    const size_t above = path.rfind('/');
    path.resize(above == std::string::npos ? 0 : above);
    path += '/';
  }
}

bool is_normal(std::string_view path) {
  return path.find('%') == std::string_view::npos && path.find("//") == std::string_view::npos &&
         path.find("/.") == std::string_view::npos;
}

}  // namespace

std::string_view normalized(std::string_view raw, std::string& room) {
  raw = raw.substr(0, raw.find_first_of("?#"));
  if (!raw.starts_with('/') || is_normal(raw)) return raw;
  room.clear();
  for (; !raw.empty(); raw.remove_prefix(1)) {
    char c = raw.front();
    if (c == '%') {
      if (const char byte = escaped(raw); byte != 0) {
        c = byte;
        raw.remove_prefix(2);
      }
    }
    if (c == '/' && !room.empty()) {
      resolve_last_segment(room);
      if (room.back() == '/') continue;
    }
    room += c;
  }
  resolve_last_segment(room);
  return room;
}

}  // namespace quota::rls
