// $quota_outcome and the others.
#pragma once

#include "ngx.h"

namespace quota {

// False: no memory.
bool register_variables(ngx_conf_t* cf);

}  // namespace quota
