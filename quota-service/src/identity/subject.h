#pragma once

#include <cstdint>
#include <string>

#include "policy/policy.h"

namespace quota::identity {

enum class Kind {
  kConsumer,
  kAnonymous,
  kRejected,
  kPending,  // not known yet: a look-up is under way, and everything else here says nothing
};

// What others remember about a subject for as long as its thread does; not part of who it is, and
// nothing that must not be lost.
struct Notes {
  size_t key_hash = 0;  // of gate::Gatekeeper, for consumers: what the engine calls the key
  // Of usage::Meter: where the subject is counted, and where it was counted last.
  uint64_t account_table = 0;  // in which the others are; 0: nowhere
  const void* rule = nullptr;
  void* cell = nullptr;  // of that rule
  void* account = nullptr;
  // Of events::Tap.
  int64_t month_end_us = 0;  // of the month of which `told` speaks
  int told = 0;              // how far that month was used up when it was last told, in percent
  int64_t denied_us = 0;     // when the subject was last denied, by the wall clock; 0: never
};

// Who is asking, and what they may have before attributes of the single request are looked at.
struct Subject {
  // First what every decision looks at, so that it shares a cache line.
  Kind kind = Kind::kAnonymous;
  // A record was needed that could not be looked up (in time), so this may not be all there is.
  bool is_uncertain = false;
  int billing_day = 1;
  policy::Limits limits;
  const policy::Tier* tier_entry = nullptr;  // of the policy; null: "anonymous"
  mutable Notes notes = {};                  // a subject belongs to one thread
  // Whose bucket: "c:<consumer id>", or "a:" and the bytes of the address or prefix ("a:" alone for
  // all clients whose address is no address); empty when kRejected, who has none. No credential
  // that is not known ever becomes part of it.
  std::string key;
  std::string consumer;  // empty unless kConsumer
  // A tier of the policy, or "anonymous": of anonymous clients, and of consumers where the policy
  // has no default_tier. Those get the limits of an anonymous client, in buckets of their own.
  std::string tier;
  // "consumer", "bearer", "api_key", "anonymous" or "allowlist"; for kRejected, which credential
  // was refused. For explain.
  std::string_view how;
  uint64_t lookup = 0;  // of kPending: which one
};

}  // namespace quota::identity
