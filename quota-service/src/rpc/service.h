#pragma once

#include "quota/v1/quota.grpc.pb.h"

namespace quota::rpc {

// Both methods take raw bytes: the codec reads them in place.
using Service = quota::v1::QuotaService::WithRawMethod_Decide<
    quota::v1::QuotaService::WithRawMethod_Check<quota::v1::QuotaService::Service>>;

}  // namespace quota::rpc
