#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

// What the endpoints see of HTTP, so that they do not depend on a server library.
namespace quota::admin {

// Keeps the order in which members were added: answers read the same every time.
using Json = nlohmann::ordered_json;

struct Request {
  std::string method;
  std::string path;  // percent-decoded, without the query: any bytes at all
  std::multimap<std::string, std::string> query;
  std::string authorization;
  std::optional<std::string> host = std::nullopt;  // the Host header, if there is one
  std::string content_type = {};
  std::string body = {};
};

struct Reply {
  int status = 200;
  std::string content_type;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

Reply json_reply(const Json& json, int status = 200);
// RFC 9457. `detail` is a sentence that tells the caller what to do.
Reply problem(int status, std::string_view detail);
// The problem that an absl::Status of our own making stands for.
Reply problem(const absl::Status& status);

}  // namespace quota::admin
