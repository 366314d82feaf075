#pragma once

#include <cstdint>
#include <string>
#include <tuple>

namespace quota::usage {

// What was used. Requests are verdicts given, weighted with `hits`; cost is the price of those that
// were let through; denials are those that were not.
struct Amount {
  uint64_t requests = 0;
  uint64_t denials = 0;
  int64_t cost_milli = 0;

  Amount& operator+=(const Amount& more) {
    requests += more.requests;
    denials += more.denials;
    cost_milli += more.cost_milli;
    return *this;
  }
  friend bool operator==(const Amount&, const Amount&) = default;
};

// By whom, for what, and on which day.
struct Key {
  std::string consumer;  // empty: all clients that are no consumers
  std::string endpoint;  // the name of the rule
  int32_t day = 0;       // days since 1970, UTC

  friend bool operator==(const Key&, const Key&) = default;
  friend bool operator<(const Key& a, const Key& b) {
    return std::tie(a.day, a.consumer, a.endpoint) < std::tie(b.day, b.consumer, b.endpoint);
  }
  template <typename H>
  friend H AbslHashValue(H state, const Key& key) {
    return H::combine(std::move(state), key.consumer, key.endpoint, key.day);
  }
};

struct Row {
  Key key;
  Amount amount;
  std::string tier;  // the consumer's, when this was counted; for the eye, not for the bill
};

}  // namespace quota::usage
