#include "cli/time_text.h"

#include "absl/time/time.h"

namespace quota::cli {

std::string time_text(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(unix_ms),
                          absl::UTCTimeZone());
}

}  // namespace quota::cli
