#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/policy.h"

namespace quota::store {

// What was last decided about the mode, by whoever may decide it.
struct ModeRecord {
  std::optional<policy::Mode> mode;  // none: the one that the policy says
  int64_t since_unix_ms = 0;         // 0: nothing was ever decided

  friend bool operator==(const ModeRecord&, const ModeRecord&) = default;
};

// "enforce", "shadow", "off", and "policy" for none.
std::string_view mode_word(std::optional<policy::Mode> mode);
// False, and `mode` as it was, when `word` is none of them.
bool read_mode_word(std::string_view word, std::optional<policy::Mode>& mode);

// Where the override of the mode is kept. Calls wait until the store has answered and a change is
// durable; they come from the admin API, never from the decision path.
class ModeStore {
 public:
  virtual ~ModeStore() = default;

  // Returns what is recorded now; its time is `unix_ms`, or later where clocks differ.
  virtual absl::StatusOr<ModeRecord> put_mode(std::optional<policy::Mode> mode,
                                              int64_t unix_ms) = 0;

  // `heard` is told what is recorded, at once if anything is, and whenever something newer is; one
  // call at a time, on any thread. Null ends that, and waits for a call that is under way.
  using Heard = std::function<void(const ModeRecord&)>;
  virtual absl::Status watch_mode(Heard heard) = 0;
};

}  // namespace quota::store
