#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "engine/decision.h"
#include "identity/check.h"
#include "identity/subject.h"
#include "policy/policy.h"

namespace quota::events {

// What about a decision is worth more than being counted.
enum class Kind : uint8_t {
  kDecision,     // sampled, or denied
  kMonth80,      // the decision with which 80 % of a month were used
  kMonth100,     // with which all of it was used, or that was denied because it is
  kFirstDenial,  // denied for the first time after a quiet while
};

// One decision, as the deciding thread writes it down for the one that passes it on. Of a fixed
// size, with nothing to allocate or to free, and nothing in it is set before fill().
struct Event {
  enum class Field : uint8_t { kConsumer, kTier, kEndpoint, kMethod, kPath, kClientIp, kTrace };
  static constexpr size_t kFields = 7;
  // Of each field in bytes; what is longer is cut off.
  static constexpr std::array<uint16_t, kFields> kMost = {128, 64, 128, 16, 256, 16, 55};
  static constexpr size_t kText = 128 + 64 + 128 + 16 + 256 + 16 + 55;

  Kind kind;
  bool is_wanted;  // by the event stream
  bool is_logged;  // by the log
  bool is_consumer;
  engine::Outcome outcome;
  engine::Reason reason;
  bool shadow;
  bool degraded;
  uint32_t hits;
  uint32_t left_out;  // denials that were not logged since the last that was
  int64_t unix_us;
  int64_t waited_us;  // 0: decided at once
  int64_t cost_milli;
  engine::LimitState minute;
  engine::LimitState month;
  std::array<uint16_t, kFields> ends;
  std::array<char, kText> text;

  std::string_view get(Field field) const {
    const auto at = static_cast<size_t>(field);
    const size_t begin = at == 0 ? 0 : ends[at - 1];
    return {text.data() + begin, ends[at] - begin};
  }
  // All but the decision and the first four members.
  void fill(const identity::Check& check, const identity::Subject& subject,
            const policy::EndpointRule& endpoint, int64_t cost);
  void set(const engine::Decision& decision, int64_t at_unix_us, int64_t waited);
};

}  // namespace quota::events
