#pragma once

#include "envoy/service/ratelimit/v3/rls.grpc.pb.h"

namespace quota::rls {

// Raw bytes: they are read in place, and invalid UTF-8 in them fails nothing.
using Service = envoy::service::ratelimit::v3::RateLimitService::WithRawMethod_ShouldRateLimit<
    envoy::service::ratelimit::v3::RateLimitService::Service>;

}  // namespace quota::rls
