// The header filter: limits and refusals are told in the headers of whatever answers a request,
// be it a proxied response, a file or an error page.
#pragma once

namespace quota {

void install_header_filter();

}  // namespace quota
