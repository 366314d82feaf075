#pragma once

#include <string>

#include "cli/session.h"

namespace quota::cli {

// One event of /v1/events on one line, for people. What a stranger has sent cannot steer a
// terminal.
std::string event_line(const Json& event);

}  // namespace quota::cli
