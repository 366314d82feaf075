#pragma once

#include <spdlog/common.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace quota::telemetry {

// Sends log lines to standard error: for people ("text") or one JSON object a line ("json"). Level
// and format have been validated.
void set_up_logging(const std::string& level, const std::string& format);

// One line with the members of an object: members of the line in JSON, key=value in text.
void log_with_fields(spdlog::level::level_enum level, std::string_view message,
                     const nlohmann::ordered_json& fields);

// key=value of each member; a value is quoted as in JSON where it could be misread.
std::string fields_text(const nlohmann::ordered_json& fields);

}  // namespace quota::telemetry
