#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace CLI {
class App;
}

namespace quota::cli {

// What a gateway would say about a request, as options of `check` and `explain`.
struct Facts {
  std::string method = "GET";
  std::string path;
  std::string client_ip;
  std::string consumer;
  std::string tier;
  std::vector<std::string> attributes;  // name=value
  std::string api_key_file;             // or QUOTACTL_API_KEY
  std::string bearer_file;              // or QUOTACTL_BEARER
  uint32_t hits = 1;

  std::string api_key;  // filled by complete()
  std::string bearer;
  std::map<std::string, std::string> attribute_map;

  void add_options(CLI::App& command);
  // Reads the secrets and takes the attributes apart.
  absl::Status complete();
};

}  // namespace quota::cli
