// Checks that gather while an earlier batch is on its way, encoded as they come.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

#include "codec.h"
#include "grpc_messages.h"

namespace quota {

class Batches {
 public:
  // quotad takes 4 MB in one message; what does not fit goes with the next batch.
  static constexpr size_t kMaxChecks = 4096;
  static constexpr size_t kMaxBytes = size_t{1} << 20;

  // Leaves everything as it was when it throws std::bad_alloc.
  void append(const Check& check);

  bool empty() const { return open_checks_ == 0 && full_.empty(); }
  // Checks that wait for a batch to be sent, or more than fit into one.
  size_t gathered() const { return full_.empty() ? open_checks_ : kMaxChecks; }

  // Replaces `*message` by the oldest batch, a gRPC message ready for the wire, and keeps the
  // memory `*message` had for checks to come. There must be one.
  void take(std::string* message);

  void clear();

 private:
  void start_batch() { open_.assign(kMessagePrefixSize, '\0'); }

  std::string open_ = std::string(kMessagePrefixSize, '\0');
  size_t open_checks_ = 0;
  std::deque<std::string> full_;
};

}  // namespace quota
