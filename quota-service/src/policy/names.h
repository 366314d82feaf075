#pragma once

#include <string_view>

namespace quota::policy {

// What requests without credentials are called where a tier's name is expected.
inline constexpr std::string_view kAnonymousTier = "anonymous";

// 1 to 32 of a-z, 0-9, _ and -: a tier's name is a metric label and a header value.
bool is_tier_name(std::string_view name);

// 1 to 128 printable ASCII characters without spaces: an id is part of keys, URLs, logs and
// headers.
bool is_consumer_id(std::string_view id);

}  // namespace quota::policy
