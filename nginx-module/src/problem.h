// Bodies of refusals: application/problem+json (RFC 9457), in words a developer understands.
// All throw std::bad_alloc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codec.h"

namespace quota {

// Denied by the sidecar's verdict.
std::string quota_problem(unsigned status, const Verdict& verdict, uint64_t retry_after_s);

// Credentials that nobody knows.
std::string unauthenticated_problem(unsigned status);

// No verdict to be had, and `quota_on_error deny`.
std::string unavailable_problem(unsigned status, uint64_t retry_after_s);

// No verdict to be had, and over the limit of `quota_on_error local`.
std::string local_limit_problem(unsigned status, uint64_t retry_after_s);

// `text` as a JSON string, with its quotes. What is not UTF-8 becomes U+FFFD.
std::string json_string(std::string_view text);

}  // namespace quota
