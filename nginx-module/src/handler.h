// Where requests meet the quota: the phase handlers.
#pragma once

#include "ngx.h"

namespace quota {

// Registers a handler for every phase that some location asks for. False: no memory.
bool register_handlers(ngx_conf_t* cf);

}  // namespace quota
