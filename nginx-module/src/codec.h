// The two messages of the stream, as nginx needs them: Check is only written, DecideResponse only
// read. Both work on plain memory, without libprotobuf and without nginx.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "wire_reader.h"

namespace quota {

// Field numbers of quota.v1.Check that an attribute may fill.
enum class Field : uint32_t {
  kApiKey = 5,
  kConsumer = 6,
  kTier = 7,
  kBearer = 8,
  kAttributes = 9,
};

// One attribute of a request. `name` matters for Field::kAttributes only.
struct Fact {
  Field field;
  std::string_view name;
  std::string_view value;
};

struct Check {
  uint64_t id = 0;
  std::string_view method;
  std::string_view path;
  std::string_view client_ip;
  std::span<const Fact> facts;
};

enum class VerdictOutcome : int32_t {
  kUnspecified = 0,
  kAllowed = 1,
  kDenied = 2,
  kExempt = 3,
  kUnauthenticated = 4,
};

struct Limit {
  uint64_t limit = 0;
  uint64_t remaining = 0;
  int64_t reset_unix_ms = 0;
  uint64_t window_s = 0;
};

// The strings point into the message the verdict was read from.
struct Verdict {
  uint64_t id = 0;
  VerdictOutcome outcome = VerdictOutcome::kUnspecified;
  std::string_view reason;
  std::string_view consumer;
  std::string_view tier;
  std::string_view endpoint;
  uint64_t cost_milli = 0;
  std::optional<Limit> minute;
  std::optional<Limit> month;
  uint32_t retry_after_ms = 0;
  bool shadow = false;
  bool degraded = false;
};

// Appends `check` to `out` as one element of DecideRequest.checks. Leaves `out` as it was when it
// throws std::bad_alloc.
void append_check(const Check& check, std::string* out);

// False when the bytes are not a Verdict. Unknown fields are skipped.
bool decode_verdict(std::string_view message, Verdict* verdict);

// Hands every verdict of a DecideResponse to `on_verdict` and returns its `ack`. Throws
// std::invalid_argument at the first malformed byte; verdicts before it have been handed over.
template <typename OnVerdict>
bool decode_response(std::string_view message, OnVerdict&& on_verdict) {
  WireReader reader(message);
  bool is_ok = true;
  bool ack = false;
  while (is_ok && reader.next()) {
    switch (reader.key()) {
      case wire_key(1, WireType::kBytes): {
        Verdict verdict;
        is_ok = decode_verdict(reader.bytes(), &verdict) && reader.ok();
        if (is_ok) on_verdict(verdict);
        break;
      }
      case wire_key(2, WireType::kVarint):
        ack = reader.number() != 0;
        break;
      default:
        reader.skip();
    }
  }
  if (!is_ok || !reader.ok()) throw std::invalid_argument("it sent a malformed answer");
  return ack;
}

}  // namespace quota
