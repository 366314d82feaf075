#include "rpc/codec.h"

#include <limits>

#include "wire_reader.h"
#include "wire_writer.h"

namespace quota::rpc {
namespace {

enum class CheckField {
  kId = 1,
  kMethod = 2,
  kPath = 3,
  kClientIp = 4,
  kApiKey = 5,
  kConsumer = 6,
  kTier = 7,
  kBearer = 8,
  kAttributes = 9,
  kHits = 10,
  kPeek = 11,
};
enum class VerdictField {
  kId = 1,
  kOutcome = 2,
  kReason = 3,
  kConsumer = 4,
  kTier = 5,
  kEndpoint = 6,
  kCostMilli = 7,
  kMinute = 8,
  kMonth = 9,
  kRetryAfterMs = 10,
  kShadow = 11,
  kDegraded = 12,
};
enum class LimitField {
  kLimit = 1,
  kRemaining = 2,
  kResetUnixMs = 3,
  kWindowS = 4,
};
constexpr uint32_t kChecks = 1;    // DecideRequest
constexpr uint32_t kVerdicts = 1;  // DecideResponse
constexpr uint32_t kAck = 2;       // DecideResponse
constexpr uint32_t kCheck = 1;     // CheckRequest

// More than all numbers, tags and lengths of a verdict, and its reason, ever take.
constexpr size_t kMostNumbers = 320;

bool read_attribute(std::string_view entry, identity::Attribute& attribute) {
  WireReader reader(entry);
  while (reader.next()) {
    switch (reader.key()) {
      case wire_key(1, WireType::kBytes):
        attribute.name = reader.bytes();
        break;
      case wire_key(2, WireType::kBytes):
        attribute.value = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  return reader.ok();
}

// A field of an unexpected wire type is skipped like an unknown one.
bool parse_check(std::string_view message, identity::Check& check) {
  check.clear();
  WireReader reader(message);
  while (reader.next()) {
    switch (reader.key()) {
      case wire_key(CheckField::kId, WireType::kVarint):
        check.id = reader.number();
        break;
      case wire_key(CheckField::kMethod, WireType::kBytes):
        check.method = reader.bytes();
        break;
      case wire_key(CheckField::kPath, WireType::kBytes):
        check.path = reader.bytes();
        break;
      case wire_key(CheckField::kClientIp, WireType::kBytes):
        check.client_ip = reader.bytes();
        break;
      case wire_key(CheckField::kApiKey, WireType::kBytes):
        check.api_key = reader.bytes();
        break;
      case wire_key(CheckField::kConsumer, WireType::kBytes):
        check.consumer = reader.bytes();
        break;
      case wire_key(CheckField::kTier, WireType::kBytes):
        check.tier = reader.bytes();
        break;
      case wire_key(CheckField::kBearer, WireType::kBytes):
        check.bearer = reader.bytes();
        break;
      case wire_key(CheckField::kAttributes, WireType::kBytes):
        if (check.attributes.size() == kMaxAttributesPerCheck ||
            !read_attribute(reader.bytes(), check.attributes.emplace_back())) {
          return false;
        }
        break;
      case wire_key(CheckField::kHits, WireType::kVarint):
        check.hits = static_cast<uint32_t>(reader.number());
        if (check.hits == 0) check.hits = 1;
        break;
      case wire_key(CheckField::kPeek, WireType::kVarint):
        check.peek = reader.number() != 0;
        break;
      default:
        reader.skip();
    }
  }
  return reader.ok();
}

uint64_t whole_units(int64_t milli) { return static_cast<uint64_t>(milli / 1000); }

void append_limit(WireWriter& verdict, VerdictField field, const engine::LimitState& state) {
  if (state.limit < 0) return;
  const WireWriter::Nested limit(verdict, field);
  verdict.number(LimitField::kLimit, whole_units(state.limit));
  verdict.number(LimitField::kRemaining, whole_units(state.remaining));
  verdict.number(LimitField::kResetUnixMs, static_cast<uint64_t>(state.reset_unix_us / 1000));
  verdict.number(LimitField::kWindowS, static_cast<uint64_t>(state.window_s));
}

void write_verdict(WireWriter& verdict, const VerdictFacts& facts,
                   const engine::Decision& decision) {
  verdict.number(VerdictField::kId, facts.id);
  verdict.number(VerdictField::kOutcome, static_cast<uint64_t>(decision.outcome));
  verdict.bytes(VerdictField::kReason, engine::to_string(decision.reason));
  if (!facts.consumer.empty()) verdict.bytes(VerdictField::kConsumer, facts.consumer);
  if (!facts.tier.empty()) verdict.bytes(VerdictField::kTier, facts.tier);
  if (!facts.endpoint.empty()) verdict.bytes(VerdictField::kEndpoint, facts.endpoint);
  if (facts.cost_milli != 0) {
    verdict.number(VerdictField::kCostMilli, static_cast<uint64_t>(facts.cost_milli));
  }
  append_limit(verdict, VerdictField::kMinute, decision.minute);
  append_limit(verdict, VerdictField::kMonth, decision.month);
  if (decision.retry_after_us != 0) {
    verdict.number(VerdictField::kRetryAfterMs, retry_after_ms(decision.retry_after_us));
  }
  if (decision.shadow) verdict.number(VerdictField::kShadow, 1);
  if (decision.degraded) verdict.number(VerdictField::kDegraded, 1);
}

size_t most_bytes(const VerdictFacts& facts) {
  return kMostNumbers + facts.consumer.size() + facts.tier.size() + facts.endpoint.size();
}

}  // namespace

BatchReader::Step BatchReader::next(identity::Check& check) {
  WireReader reader(rest_);
  while (reader.next()) {
    if (reader.key() != wire_key(kChecks, WireType::kBytes)) {
      reader.skip();
      continue;
    }
    const std::string_view message = reader.bytes();
    rest_ = reader.rest();
    return reader.ok() && parse_check(message, check) ? Step::kCheck : Step::kMalformed;
  }
  return reader.ok() ? Step::kEnd : Step::kMalformed;
}

bool read_check(std::string_view message, identity::Check& check) {
  return parse_check(message, check);
}

bool read_check_request(std::string_view message, identity::Check& check) {
  check.clear();
  WireReader reader(message);
  bool found = false;
  while (reader.next()) {
    if (reader.key() == wire_key(kCheck, WireType::kBytes)) {
      if (!parse_check(reader.bytes(), check)) return false;
      found = true;
    } else {
      reader.skip();
    }
  }
  return found && reader.ok();
}

std::string malformed_batch() {
  return "a DecideRequest could not be read: send quota.v1.DecideRequest with at most " +
         std::to_string(kMaxChecksPerBatch) + " checks of at most " +
         std::to_string(kMaxAttributesPerCheck) + " attributes";
}

uint32_t retry_after_ms(int64_t us) {
  constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  return static_cast<uint32_t>(us >= kMost * 1000 ? kMost : (us + 999) / 1000);
}

void append_verdict(std::string& out, const VerdictFacts& facts, const engine::Decision& decision) {
  WireWriter writer(out, most_bytes(facts));
  write_verdict(writer, facts, decision);
}

void append_batch_verdict(std::string& out, const VerdictFacts& facts,
                          const engine::Decision& decision) {
  WireWriter writer(out, most_bytes(facts));
  const WireWriter::Nested verdict(writer, kVerdicts);
  write_verdict(writer, facts, decision);
}

void append_ack(std::string& out) { WireWriter(out, WireWriter::kMostOfAField).number(kAck, 1); }

}  // namespace quota::rpc
