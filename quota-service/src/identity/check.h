#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace quota::identity {

struct Attribute {
  std::string_view name;
  std::string_view value;
};

// What a gateway says about one request: quota.v1.Check, as views into the message it came in.
struct Check {
  uint64_t id = 0;
  std::string_view method;
  std::string_view path;
  std::string_view client_ip;  // 4 or 16 bytes, or anything else a stranger sends
  std::string_view api_key;
  std::string_view consumer;
  std::string_view tier;
  std::string_view bearer;
  std::vector<Attribute> attributes;
  uint32_t hits = 1;
  bool peek = false;

  // Makes the object as new but keeps the memory of `attributes`.
  void clear() {
    std::vector<Attribute> kept = std::move(attributes);
    kept.clear();
    *this = Check{};
    attributes = std::move(kept);
  }
};

}  // namespace quota::identity
