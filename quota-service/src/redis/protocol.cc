#include "redis/protocol.h"

#include <fmt/format.h>

#include <iterator>

namespace quota::redis {

Words& Words::add(int64_t number) { return add(fmt::format_int(number).c_str()); }

void encode(std::initializer_list<std::string_view> head, const Words& rest, std::string& to) {
  const auto put_size = [&](char kind, size_t size) {
    const fmt::format_int digits(size);
    to += kind;
    to.append(digits.data(), digits.size());
    to += "\r\n";
  };
  const auto put = [&](std::string_view word) {
    put_size('$', word.size());
    to += word;
    to += "\r\n";
  };
  put_size('*', head.size() + rest.size());
  for (const std::string_view word : head) put(word);
  for (size_t i = 0; i < rest.size(); ++i) put(rest[i]);
}

std::string_view text_of(const redisReply& reply) {
  return is_text(reply) || is_error(reply) ? std::string_view(reply.str, reply.len)
                                           : std::string_view();
}

std::string_view error_code(std::string_view error) { return error.substr(0, error.find(' ')); }

std::string without_secret(std::string_view words, std::string_view secret) {
  std::string clean(words);
  if (secret.empty()) return clean;
  for (size_t at = 0; (at = clean.find(secret, at)) != std::string::npos; at += 3) {
    clean.replace(at, secret.size(), "***");
  }
  return clean;
}

std::string_view info_field(std::string_view info, std::string_view name) {
  for (size_t begin = 0; begin < info.size();) {
    size_t end = info.find("\r\n", begin);
    if (end == std::string_view::npos) end = info.size();
    const std::string_view line = info.substr(begin, end - begin);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') {
      return line.substr(name.size() + 1);
    }
    begin = end + 2;
  }
  return {};
}

}  // namespace quota::redis
