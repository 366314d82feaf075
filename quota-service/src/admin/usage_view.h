#pragma once

#include "admin/http.h"
#include "usage/usage_store.h"

namespace quota::admin {

// GET /v1/usage: what consumers have used in a month, by endpoint, a page at a time.
// `usage` is null where none is kept.
Reply usage_reply(const Request& request, usage::UsageStore* usage);

}  // namespace quota::admin
