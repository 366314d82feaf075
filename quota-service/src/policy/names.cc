#include "policy/names.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace quota::policy {

bool is_tier_name(std::string_view name) {
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '-';
  });
}

bool is_consumer_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), absl::ascii_isgraph);
}

}  // namespace quota::policy
