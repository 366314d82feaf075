#include "rpc/codec.h"

#include <limits>
#include <protozero/pbf_message.hpp>
#include <protozero/pbf_writer.hpp>

#include "rpc/verdict_writer.h"

namespace quota::rpc {
namespace {

using protozero::pbf_message;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::pbf_writer;

enum class CheckField : protozero::pbf_tag_type {
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
enum class VerdictField : protozero::pbf_tag_type {
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
enum class LimitField : protozero::pbf_tag_type {
  kLimit = 1,
  kRemaining = 2,
  kResetUnixMs = 3,
  kWindowS = 4,
};
constexpr protozero::pbf_tag_type kChecks = 1;    // DecideRequest
constexpr protozero::pbf_tag_type kVerdicts = 1;  // DecideResponse
constexpr protozero::pbf_tag_type kAck = 2;       // DecideResponse
constexpr protozero::pbf_tag_type kCheck = 1;     // CheckRequest

std::string_view text(protozero::data_view view) { return {view.data(), view.size()}; }

protozero::data_view data(std::string_view view) { return {view.data(), view.size()}; }

identity::Attribute read_attribute(protozero::data_view entry) {
  identity::Attribute attribute;
  pbf_reader reader(entry);
  while (reader.next()) {
    if (reader.tag_and_type() == protozero::tag_and_type(1, pbf_wire_type::length_delimited)) {
      attribute.name = text(reader.get_view());
    } else if (reader.tag_and_type() ==
               protozero::tag_and_type(2, pbf_wire_type::length_delimited)) {
      attribute.value = text(reader.get_view());
    } else {
      reader.skip();
    }
  }
  return attribute;
}

// Throws what protozero throws. A field of an unexpected wire type is skipped like an unknown one.
bool parse_check(std::string_view message, identity::Check& check) {
  check.clear();
  pbf_message<CheckField> reader(data(message));
  while (reader.next()) {
    const bool is_bytes = reader.wire_type() == pbf_wire_type::length_delimited;
    const bool is_number = reader.wire_type() == pbf_wire_type::varint;
    if (is_bytes) {
      switch (reader.tag()) {
        case CheckField::kMethod:
          check.method = text(reader.get_view());
          continue;
        case CheckField::kPath:
          check.path = text(reader.get_view());
          continue;
        case CheckField::kClientIp:
          check.client_ip = text(reader.get_view());
          continue;
        case CheckField::kApiKey:
          check.api_key = text(reader.get_view());
          continue;
        case CheckField::kConsumer:
          check.consumer = text(reader.get_view());
          continue;
        case CheckField::kTier:
          check.tier = text(reader.get_view());
          continue;
        case CheckField::kBearer:
          check.bearer = text(reader.get_view());
          continue;
        case CheckField::kAttributes:
          if (check.attributes.size() == kMaxAttributesPerCheck) return false;
          check.attributes.push_back(read_attribute(reader.get_view()));
          continue;
        default:
          break;
      }
    } else if (is_number) {
      switch (reader.tag()) {
        case CheckField::kId:
          check.id = reader.get_uint64();
          continue;
        case CheckField::kHits:
          check.hits = reader.get_uint32();
          if (check.hits == 0) check.hits = 1;
          continue;
        case CheckField::kPeek:
          check.peek = reader.get_bool();
          continue;
        default:
          break;
      }
    }
    reader.skip();
  }
  return true;
}

uint64_t whole_units(int64_t milli) { return static_cast<uint64_t>(milli / 1000); }

uint32_t retry_after_ms(int64_t us) {
  constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  return static_cast<uint32_t>(us >= kMost * 1000 ? kMost : (us + 999) / 1000);
}

void append_limit(VerdictWriter& verdict, VerdictField field, const engine::LimitState& state) {
  if (state.limit < 0) return;
  const VerdictWriter::Nested limit(verdict, field);
  verdict.number(LimitField::kLimit, whole_units(state.limit));
  verdict.number(LimitField::kRemaining, whole_units(state.remaining));
  verdict.number(LimitField::kResetUnixMs, static_cast<uint64_t>(state.reset_unix_us / 1000));
  verdict.number(LimitField::kWindowS, static_cast<uint64_t>(state.window_s));
}

void write_verdict(VerdictWriter& verdict, const VerdictFacts& facts,
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
  return VerdictWriter::kMostNumbers + facts.consumer.size() + facts.tier.size() +
         facts.endpoint.size();
}

}  // namespace

BatchReader::Step BatchReader::next(identity::Check& check) {
  try {
    pbf_reader reader(data(rest_));
    while (reader.next()) {
      if (reader.tag_and_type() !=
          protozero::tag_and_type(kChecks, pbf_wire_type::length_delimited)) {
        reader.skip();
        continue;
      }
      const std::string_view message = text(reader.get_view());
      rest_ = text(reader.data());
      return parse_check(message, check) ? Step::kCheck : Step::kMalformed;
    }
    return Step::kEnd;
  } catch (const protozero::exception&) {
    return Step::kMalformed;
  }
}

bool read_check(std::string_view message, identity::Check& check) {
  try {
    return parse_check(message, check);
  } catch (const protozero::exception&) {
    return false;
  }
}

bool read_check_request(std::string_view message, identity::Check& check) {
  check.clear();
  try {
    bool found = false;
    pbf_reader reader(data(message));
    while (reader.next()) {
      if (reader.tag_and_type() ==
          protozero::tag_and_type(kCheck, pbf_wire_type::length_delimited)) {
        if (!parse_check(text(reader.get_view()), check)) return false;
        found = true;
      } else {
        reader.skip();
      }
    }
    return found;
  } catch (const protozero::exception&) {
    return false;
  }
}

void append_verdict(std::string& out, const VerdictFacts& facts, const engine::Decision& decision) {
  VerdictWriter writer(out, most_bytes(facts));
  write_verdict(writer, facts, decision);
}

void append_batch_verdict(std::string& out, const VerdictFacts& facts,
                          const engine::Decision& decision) {
  VerdictWriter writer(out, most_bytes(facts));
  const VerdictWriter::Nested verdict(writer, kVerdicts);
  write_verdict(writer, facts, decision);
}

void append_ack(std::string& out) { pbf_writer(out).add_bool(kAck, true); }

}  // namespace quota::rpc
