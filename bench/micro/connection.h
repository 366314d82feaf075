#pragma once

// A gateway's connection without its socket: the bytes of a batch come in, those of its answer go
// out.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "front/session.h"
#include "micro/world.h"

namespace quota::bench {

class ConnectionLoop : private front::Session::Listener {
 public:
  // `decides` has decided all of `batches` before.
  ConnectionLoop(DecideLoop& decides, const std::vector<std::string>& batches);

  void next();
  void tidy() { decides_.tidy(); }
  uint64_t bytes() const { return bytes_; }  // of answers

 private:
  bool on_batch(std::string_view batch, std::string& response, uint64_t& waiting) override;
  void take();

  DecideLoop& decides_;
  front::Session session_{*this};
  std::vector<std::string> frames_;  // of each batch
  std::string out_;
  uint64_t bytes_ = 0;
  size_t at_ = 0;
};

}  // namespace quota::bench
