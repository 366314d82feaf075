#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"

namespace quota::usage {

// No sum grows beyond this, which a double and every store hold exactly.
inline constexpr uint64_t kMostCounted = (1ULL << 53) - 1;

// What was used. Requests are verdicts given, weighted with `hits`; cost is the price of those that
// were let through; denials are those that were not.
struct Amount {
  uint64_t requests = 0;
  uint64_t denials = 0;
  uint64_t cost_milli = 0;

  Amount& operator+=(const Amount& more) {
    requests = sum(requests, more.requests);
    denials = sum(denials, more.denials);
    cost_milli = sum(cost_milli, more.cost_milli);
    return *this;
  }
  friend bool operator==(const Amount&, const Amount&) = default;

 private:
  static uint64_t sum(uint64_t a, uint64_t b) {
    return std::min(std::min(a, kMostCounted) + std::min(b, kMostCounted), kMostCounted);
  }
};

// By whom, for what, and on which day.
struct Key {
  std::string consumer;  // empty: all clients that are no consumers
  std::string endpoint;  // the name of the rule
  int32_t day = 0;       // days since 1970, UTC

  friend bool operator==(const Key&, const Key&) = default;
  friend auto operator<=>(const Key&, const Key&) = default;
};

struct KeyHash {
  size_t operator()(const Key& key) const {
    return absl::HashOf(key.consumer, key.endpoint, key.day);
  }
};

using Sums = absl::flat_hash_map<Key, Amount, KeyHash>;

struct Row {
  Key key;
  Amount amount;
  std::string tier;  // the consumer's, when this was counted; for the eye, not for the bill
};

}  // namespace quota::usage
