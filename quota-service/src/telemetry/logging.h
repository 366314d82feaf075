#pragma once

#include <string>

namespace quota::telemetry {

// Sends log lines to standard error: for people ("text") or one JSON object a line ("json"). Level
// and format have been validated.
void set_up_logging(const std::string& level, const std::string& format);

}  // namespace quota::telemetry
