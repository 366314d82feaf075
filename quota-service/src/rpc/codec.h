#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/decision.h"
#include "identity/check.h"

// quota.v1 messages, read in place and written into reused buffers: no message objects, and no
// UTF-8 check that one hostile request could fail for its whole batch.
namespace quota::rpc {

// What a message may hold, so that no stranger's request costs more than it should.
inline constexpr size_t kMaxChecksPerBatch = 16'384;
inline constexpr size_t kMaxAttributesPerCheck = 64;

// Walks the checks of a serialized DecideRequest.
class BatchReader {
 public:
  explicit BatchReader(std::string_view message) : rest_(message) {}

  enum class Step { kCheck, kEnd, kMalformed };
  // Fills `check`, whose views point into the message.
  Step next(identity::Check& check);

 private:
  std::string_view rest_;
};

// Reads a serialized Check; false when it is not one, or has too many attributes.
bool read_check(std::string_view message, identity::Check& check);
// Reads a serialized CheckRequest.
bool read_check_request(std::string_view message, identity::Check& check);

// Everything a verdict says besides the decision itself.
struct VerdictFacts {
  uint64_t id = 0;
  std::string_view consumer = {};
  std::string_view tier = {};
  std::string_view endpoint = {};
  int64_t cost_milli = 0;
};

// What who sent a batch that could not be read is told.
std::string malformed_batch();

// How a verdict says that it pays to wait for so long: rounded up, and no more than fits.
uint32_t retry_after_ms(int64_t us);

// Appends a bare Verdict, as Check() returns it.
void append_verdict(std::string& out, const VerdictFacts& facts, const engine::Decision& decision);
// Appends it as one entry of DecideResponse.verdicts.
void append_batch_verdict(std::string& out, const VerdictFacts& facts,
                          const engine::Decision& decision);
// Appends DecideResponse.ack = true.
void append_ack(std::string& out);

}  // namespace quota::rpc
