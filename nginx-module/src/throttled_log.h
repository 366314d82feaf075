// Lines for nginx's error log, of each kind at most one a second. A sidecar that is away would
// otherwise write one for every request.
#pragma once

#include <array>
#include <optional>

#include "ngx.h"

namespace quota {

enum class LogKind { kLink, kBack, kStalled, kTimeout, kUnavailable, kDenied, kCount };

class ThrottledLog {
 public:
  // The end of a line: how many of its kind were left out before it, if any were.
  struct Ending {
    u_char text[64];
  };

  // Nothing if no line of this kind may be written now.
  std::optional<Ending> admit(LogKind kind) {
    Kind& state = kinds_[static_cast<size_t>(kind)];
    const time_t now = ngx_time();
    if (state.last == now) {
      ++state.left_out;
      return std::nullopt;
    }
    Ending ending{};
    if (state.left_out != 0) {
      ngx_snprintf(ending.text, sizeof(ending.text) - 1, " (%ui more such events)", state.left_out);
    }
    state = {now, 0};
    return ending;
  }

 private:
  struct Kind {
    time_t last = 0;
    ngx_uint_t left_out = 0;
  };
  std::array<Kind, static_cast<size_t>(LogKind::kCount)> kinds_{};
};

}  // namespace quota
