#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/decision.h"
#include "rls/options.h"
#include "rpc/codec.h"

// Serialized RateLimitResponses, written into reused buffers.
namespace quota::rls {

// The verdict on one descriptor, with memory of its own, which is reused.
struct Verdict {
  engine::Decision decision;
  std::string tier;
  std::string endpoint;
  int64_t cost_milli = 0;

  void set(const rpc::VerdictFacts& facts, const engine::Decision& decided);
};

// Replaces `out` by the answer to as many descriptors as there are verdicts.
void write_answer(std::string& out, std::span<const Verdict> verdicts, const Options& options,
                  int64_t unix_us);
// Replaces `out` by the answer to a request that could not be decided, for OnError::kAllow and
// kDeny.
void write_undecided(std::string& out, const Options& options);

}  // namespace quota::rls
