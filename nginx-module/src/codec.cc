#include "codec.h"

#include "wire_writer.h"

namespace quota {
namespace {

size_t upper_bound_of(const Check& check) {
  // The message itself and five fields of it.
  size_t size = 6 * WireWriter::kMostOfAField + check.method.size() + check.path.size() +
                check.client_ip.size();
  for (const Fact& fact : check.facts) {
    // A map's entry is a message with two fields.
    size += 3 * WireWriter::kMostOfAField + fact.name.size() + fact.value.size();
  }
  return size;
}

bool decode_limit(std::string_view message, Limit* limit) {
  WireReader reader(message);
  while (reader.next()) {
    switch (reader.key()) {
      case wire_key(1, WireType::kVarint):
        limit->limit = reader.number();
        break;
      case wire_key(2, WireType::kVarint):
        limit->remaining = reader.number();
        break;
      case wire_key(3, WireType::kVarint):
        limit->reset_unix_ms = static_cast<int64_t>(reader.number());
        break;
      case wire_key(4, WireType::kVarint):
        limit->window_s = reader.number();
        break;
      default:
        reader.skip();
    }
  }
  return reader.ok();
}

}  // namespace

void append_check(const Check& check, std::string* out) {
  WireWriter writer(*out, upper_bound_of(check));
  const WireWriter::Nested message(writer, 1);
  writer.number(1, check.id);
  writer.bytes(2, check.method);
  writer.bytes(3, check.path);
  if (!check.client_ip.empty()) writer.bytes(4, check.client_ip);
  for (const Fact& fact : check.facts) {
    if (fact.field == Field::kAttributes) {
      const WireWriter::Nested entry(writer, fact.field);
      writer.bytes(1, fact.name);
      writer.bytes(2, fact.value);
    } else {
      writer.bytes(fact.field, fact.value);
    }
  }
}

bool decode_verdict(std::string_view message, Verdict* verdict) {
  WireReader reader(message);
  bool limits_are_ok = true;
  while (reader.next()) {
    switch (reader.key()) {
      case wire_key(1, WireType::kVarint):
        verdict->id = reader.number();
        break;
      case wire_key(2, WireType::kVarint):
        verdict->outcome = static_cast<VerdictOutcome>(reader.number());
        break;
      case wire_key(3, WireType::kBytes):
        verdict->reason = reader.bytes();
        break;
      case wire_key(4, WireType::kBytes):
        verdict->consumer = reader.bytes();
        break;
      case wire_key(5, WireType::kBytes):
        verdict->tier = reader.bytes();
        break;
      case wire_key(6, WireType::kBytes):
        verdict->endpoint = reader.bytes();
        break;
      case wire_key(7, WireType::kVarint):
        verdict->cost_milli = reader.number();
        break;
      case wire_key(8, WireType::kBytes):
        limits_are_ok &= decode_limit(reader.bytes(), &verdict->minute.emplace());
        break;
      case wire_key(9, WireType::kBytes):
        limits_are_ok &= decode_limit(reader.bytes(), &verdict->month.emplace());
        break;
      case wire_key(10, WireType::kVarint):
        verdict->retry_after_ms = static_cast<uint32_t>(reader.number());
        break;
      case wire_key(11, WireType::kVarint):
        verdict->shadow = reader.number() != 0;
        break;
      case wire_key(12, WireType::kVarint):
        verdict->degraded = reader.number() != 0;
        break;
      default:
        reader.skip();
    }
  }
  return reader.ok() && limits_are_ok;
}

}  // namespace quota
