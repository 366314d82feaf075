#pragma once

#include <string_view>

namespace quota::front {

enum class Visitor { kGateway, kOther, kUnknownYet };

// More is never needed to tell.
inline constexpr size_t kVisitorBytes = 256;

// Who has begun a connection with these bytes: a gateway's first SETTINGS frame has a mark
// (gateway_mark.h). Whoever has none is to be served by gRPC, also one who does not speak HTTP/2.
Visitor recognize(std::string_view begin);

}  // namespace quota::front
