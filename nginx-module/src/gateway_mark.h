// By what quotad knows a gateway among all who connect to its socket.
#pragma once

#include <cstdint>

namespace quota {

// An HTTP/2 setting in the module's first SETTINGS frame, of the range that is for experiments
// (RFC 9113, 11.3). Whoever does not know it ignores it: the module gets on with any gRPC server,
// and quotad serves who does not send it through gRPC.
inline constexpr int32_t kGatewaySetting = 0xf071;
inline constexpr uint32_t kGatewayVersion = 1;

}  // namespace quota
