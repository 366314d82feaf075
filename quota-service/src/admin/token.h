#pragma once

#include <optional>
#include <string>

#include "admin/http.h"

namespace quota::admin {

// Nothing when `authorization` carries the token; otherwise the refusal. An empty token means that
// none is configured, and then nobody may write.
std::optional<Reply> refuse_write(const std::string& authorization, const std::string& token);

}  // namespace quota::admin
