#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/string_map.h"
#include "events/event.h"

namespace quota::events {

// How much of who asked for what an event shows.
enum class Privacy : uint8_t {
  kFull,
  kHashed,   // consumers and addresses as keyed hashes, no path
  kMinimal,  // nobody: neither consumer, address, path nor trace
};

std::string_view to_string(Kind kind);

// Makes of an event the object that others get to see.
class Renderer {
 public:
  Renderer(Privacy privacy, std::string hash_key)
      : privacy_(privacy), hash_key_(std::move(hash_key)) {}

  // By one thread.
  nlohmann::ordered_json object(const Event& event);
  // That object on one line. Bytes that are not UTF-8 are replaced.
  static std::string line(const nlohmann::ordered_json& object);

  // How a consumer may be called in events; nothing when it is in none of them.
  std::vector<std::string> names_of(std::string_view consumer) const;

 private:
  std::string hashed(std::string_view name) const;

  // The same, remembered: who asks, asks again.
  const std::string& remembered(std::string_view name);

  static constexpr size_t kMostRemembered = 4096;

  const Privacy privacy_;
  const std::string hash_key_;
  StringMap<std::string> hashes_;  // object()'s own
};

}  // namespace quota::events
