#pragma once

#include <cstddef>
#include <string_view>

namespace quota::policy {

// The length in bytes of the character that `text` begins with; 0 when it is not valid UTF-8.
size_t utf8_length(std::string_view text);

}  // namespace quota::policy
