#pragma once

#include "histogram.h"

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

namespace quota::load {

struct OpenLoopOptions {
  std::string host = "127.0.0.1";  // an IPv4 address
  uint16_t port = 0;
  std::string request;  // the bytes of one
  double rate = 1000;   // requests a second
  double seconds = 1;
  int connections = 64;
  bool spin = false;         // never sleep: only for a core that nobody else wants
  double drain_seconds = 1;  // how long the last answers are waited for
};

struct OpenLoopResult {
  Histogram latency;   // from the time at which a request should have been sent to its answer
  Histogram lateness;  // how long after that time this client itself came to it
  uint64_t requests = 0;
  uint64_t not_2xx = 0;
  uint64_t errors = 0;      // connections that were closed or talked nonsense
  uint64_t unanswered = 0;  // when the time to drain was over; they count as latency, too
  double seconds = 0;       // as asked, or longer: until the last answer
};

// Asks at a constant rate, whatever the server does: a request whose time has come while every
// connection waits for an answer is sent as soon as one is free, and its latency counts from the
// time at which it should have been sent. So a server that stalls pays for every request that it
// kept waiting, and not only for those under way.
absl::StatusOr<OpenLoopResult> run_open_loop(const OpenLoopOptions& options);

}  // namespace quota::load
