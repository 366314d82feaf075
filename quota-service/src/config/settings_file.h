#pragma once

#include <string>

#include "absl/status/status.h"
#include "config/settings.h"

namespace quota::config {

// Sets what the YAML file at `path` names. An error starts with file:line:column.
absl::Status read_settings_file(const std::string& path, Settings& settings);

}  // namespace quota::config
