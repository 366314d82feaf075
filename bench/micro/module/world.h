#pragma once

// What the module does for a request beside nginx' own work: from a batch of checks to its bytes on
// the wire, and from the bytes that answer it to the text of response headers. The peer is bytes
// made beforehand.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "batches.h"
#include "codec.h"
#include "grpc_stream.h"
#include "metrics.h"
#include "slots.h"

namespace quota::bench {

// A check as nginx makes it of the request number so-and-so. Its texts live as long as this.
class ModuleCheck {
 public:
  explicit ModuleCheck(size_t number);
  ModuleCheck(const ModuleCheck&) = delete;
  ModuleCheck& operator=(const ModuleCheck&) = delete;

  Check get(uint64_t id) const;

 private:
  const std::string key_;
  const std::string_view path_;
  const std::string address_;
  const std::vector<Fact> facts_;
};

// A DecideResponse that allows so many checks.
std::string make_response(size_t checks);

// The text of all headers that a verdict makes; returns their number of bytes.
size_t write_headers(const Verdict& verdict, int64_t now_unix_ms);

class ModuleLoop : private GrpcStream::Listener {
 public:
  explicit ModuleLoop(size_t checks_in_a_batch);

  // One batch of requests: their checks go out, their verdicts come in.
  void next();
  // Lets the peer take as much again. Once in a while, as a peer would.
  void tidy();
  size_t verdicts() const { return verdicts_; }

 private:
  struct Request {
    uint64_t slot = 0;
    size_t header_bytes = 0;
  };
  void on_settings() noexcept override {}
  void on_message(std::string_view message) override;

  std::deque<ModuleCheck> checks_;
  std::vector<Request> requests_;
  const std::string answer_;  // in frames, as it comes from the socket

  Slots<Request> slots_;
  Batches batches_;
  MetricsTable metrics_{};
  GrpcStream stream_{this};
  std::string wire_;
  size_t unacknowledged_ = 0;
  size_t answered_ = 0;  // of the batch under way
  size_t verdicts_ = 0;
};

}  // namespace quota::bench
