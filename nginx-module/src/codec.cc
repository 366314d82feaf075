#include "codec.h"

#include <protozero/pbf_writer.hpp>

namespace quota {
namespace {

using protozero::data_view;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::pbf_writer;
using protozero::tag_and_type;

// More than the tags, lengths and the id of any check take beside its text.
constexpr size_t kFixedOverhead = 64;
constexpr size_t kFactOverhead = 24;

data_view as_data(std::string_view text) { return {text.data(), text.size()}; }

std::string_view as_text(data_view data) { return {data.data(), data.size()}; }

size_t upper_bound_of(const Check& check) {
  size_t size = kFixedOverhead + check.method.size() + check.path.size() + check.client_ip.size();
  for (const Fact& fact : check.facts) {
    size += kFactOverhead + fact.name.size() + fact.value.size();
  }
  return size;
}

Limit decode_limit(data_view message) {
  Limit limit;
  pbf_reader reader{message};
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, pbf_wire_type::varint):
        limit.limit = reader.get_uint64();
        break;
      case tag_and_type(2, pbf_wire_type::varint):
        limit.remaining = reader.get_uint64();
        break;
      case tag_and_type(3, pbf_wire_type::varint):
        limit.reset_unix_ms = reader.get_int64();
        break;
      case tag_and_type(4, pbf_wire_type::varint):
        limit.window_s = reader.get_uint64();
        break;
      default:
        reader.skip();
    }
  }
  return limit;
}

}  // namespace

void append_check(const Check& check, std::string* out) {
  // With the memory there before the first byte is written, nothing below can fail half-way.
  out->reserve(out->size() + upper_bound_of(check));

  pbf_writer request{*out};
  pbf_writer message{request, 1};
  message.add_uint64(1, check.id);
  message.add_string(2, as_data(check.method));
  message.add_bytes(3, as_data(check.path));
  if (!check.client_ip.empty()) message.add_bytes(4, as_data(check.client_ip));
  for (const Fact& fact : check.facts) {
    const auto tag = static_cast<protozero::pbf_tag_type>(fact.field);
    if (fact.field == Field::kAttributes) {
      pbf_writer entry{message, tag};
      entry.add_string(1, as_data(fact.name));
      entry.add_bytes(2, as_data(fact.value));
    } else {
      message.add_bytes(tag, as_data(fact.value));
    }
  }
}

Verdict decode_verdict(data_view message) {
  Verdict verdict;
  pbf_reader reader{message};
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, pbf_wire_type::varint):
        verdict.id = reader.get_uint64();
        break;
      case tag_and_type(2, pbf_wire_type::varint):
        verdict.outcome = static_cast<VerdictOutcome>(reader.get_enum());
        break;
      case tag_and_type(3, pbf_wire_type::length_delimited):
        verdict.reason = as_text(reader.get_view());
        break;
      case tag_and_type(4, pbf_wire_type::length_delimited):
        verdict.consumer = as_text(reader.get_view());
        break;
      case tag_and_type(5, pbf_wire_type::length_delimited):
        verdict.tier = as_text(reader.get_view());
        break;
      case tag_and_type(6, pbf_wire_type::length_delimited):
        verdict.endpoint = as_text(reader.get_view());
        break;
      case tag_and_type(7, pbf_wire_type::varint):
        verdict.cost_milli = reader.get_uint64();
        break;
      case tag_and_type(8, pbf_wire_type::length_delimited):
        verdict.minute = decode_limit(reader.get_view());
        break;
      case tag_and_type(9, pbf_wire_type::length_delimited):
        verdict.month = decode_limit(reader.get_view());
        break;
      case tag_and_type(10, pbf_wire_type::varint):
        verdict.retry_after_ms = reader.get_uint32();
        break;
      case tag_and_type(11, pbf_wire_type::varint):
        verdict.shadow = reader.get_bool();
        break;
      case tag_and_type(12, pbf_wire_type::varint):
        verdict.degraded = reader.get_bool();
        break;
      default:
        reader.skip();
    }
  }
  return verdict;
}

}  // namespace quota
