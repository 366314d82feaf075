#include "codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <vector>

namespace quota {
namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string text_of(protozero::data_view view) { return {view.data(), view.size()}; }

// The Check in a DecideRequest that has one, field by field.
std::vector<std::pair<uint32_t, std::string>> fields_of(const std::string& request) {
  std::vector<std::pair<uint32_t, std::string>> fields;
  pbf_reader outer{request};
  EXPECT_TRUE(outer.next(1));
  pbf_reader check = outer.get_message();
  while (check.next()) {
    const uint32_t tag = check.tag();  // gone once the value is read
    const bool is_number = check.wire_type() == protozero::pbf_wire_type::varint;
    fields.emplace_back(tag,
                        is_number ? std::to_string(check.get_uint64()) : text_of(check.get_view()));
  }
  return fields;
}

Limit some_limit() { return {100, 42, 1'700'000'000'500, 60}; }

void add_limit(pbf_writer* verdict, uint32_t tag, const Limit& limit) {
  pbf_writer message{*verdict, tag};
  message.add_uint64(1, limit.limit);
  message.add_uint64(2, limit.remaining);
  message.add_int64(3, limit.reset_unix_ms);
  message.add_uint64(4, limit.window_s);
}

std::string response(const std::vector<uint64_t>& ids, bool ack) {
  std::string bytes;
  pbf_writer message{bytes};
  for (const uint64_t id : ids) {
    pbf_writer verdict{message, 1};
    verdict.add_uint64(1, id);
  }
  if (ack) message.add_bool(2, true);
  return bytes;
}

std::vector<uint64_t> ids_of(const std::string& bytes, bool* ack) {
  std::vector<uint64_t> ids;
  *ack = decode_response(bytes, [&](const Verdict& verdict) { ids.push_back(verdict.id); });
  return ids;
}

Verdict verdict_in(const std::string& bytes) {
  Verdict verdict;
  EXPECT_TRUE(decode_verdict(bytes, &verdict));
  return verdict;
}

TEST(AppendCheck, WritesEveryFieldUnderItsNumber) {
  const Fact facts[] = {{Field::kApiKey, "api_key", "k"},
                        {Field::kConsumer, "consumer", "c"},
                        {Field::kTier, "tier", "t"},
                        {Field::kBearer, "bearer", "b"}};
  std::string out;
  append_check({7, "GET", "/identify", "\x7f\x01\x01\x01", facts}, &out);
  EXPECT_THAT(fields_of(out),
              ElementsAre(std::pair{1u, "7"}, std::pair{2u, "GET"}, std::pair{3u, "/identify"},
                          std::pair{4u, "\x7f\x01\x01\x01"}, std::pair{5u, "k"}, std::pair{6u, "c"},
                          std::pair{7u, "t"}, std::pair{8u, "b"}));
}

TEST(AppendCheck, WritesOtherAttributesAsAMap) {
  const Fact facts[] = {{Field::kAttributes, "country", "CH"}};
  std::string out;
  append_check({1, "GET", "/", {}, facts}, &out);
  EXPECT_EQ(fields_of(out).back(), (std::pair{9u, std::string("\x0a\x07"
                                                              "country\x12\x02"
                                                              "CH")}));
}

TEST(AppendCheck, LeavesOutTheAddressOfAUnixSocket) {
  std::string out;
  append_check({1, "GET", "/", {}, {}}, &out);
  EXPECT_THAT(fields_of(out),
              ElementsAre(std::pair{1u, "1"}, std::pair{2u, "GET"}, std::pair{3u, "/"}));
}

TEST(AppendCheck, AddsToWhatIsThere) {
  std::string out;
  append_check({1, "GET", "/a", {}, {}}, &out);
  const std::string first = out;
  append_check({2, "GET", "/b", {}, {}}, &out);
  EXPECT_TRUE(out.starts_with(first));
  EXPECT_THAT(fields_of(out.substr(first.size())),
              ElementsAre(std::pair{1u, "2"}, std::pair{2u, "GET"}, std::pair{3u, "/b"}));
}

TEST(AppendCheck, CarriesBytesThatAreNotUtf8AndLongValues) {
  const std::string value(16 * 1024, '\xff');
  const Fact facts[] = {{Field::kApiKey, "api_key", value}};
  std::string out;
  append_check({1, "GET", std::string_view("/\0\xc3", 3), {}, facts}, &out);
  const auto fields = fields_of(out);
  EXPECT_EQ(fields[2].second, std::string("/\0\xc3", 3));
  EXPECT_EQ(fields[3].second, value);
}

TEST(DecodeVerdict, ReadsEveryField) {
  std::string bytes;
  {
    pbf_writer message{bytes};
    message.add_uint64(1, 99);
    message.add_enum(2, 2);
    message.add_string(3, "minute");
    message.add_bytes(4, "acme");
    message.add_string(5, "pro");
    message.add_string(6, "/compare");
    message.add_uint64(7, 2000);
    add_limit(&message, 8, some_limit());
    add_limit(&message, 9, {5000, 10, -1, 2'592'000});
    message.add_uint32(10, 1500);
    message.add_bool(11, true);
    message.add_bool(12, true);
  }
  const Verdict verdict = verdict_in(bytes);
  EXPECT_EQ(verdict.id, 99u);
  EXPECT_EQ(verdict.outcome, VerdictOutcome::kDenied);
  EXPECT_EQ(verdict.reason, "minute");
  EXPECT_EQ(verdict.consumer, "acme");
  EXPECT_EQ(verdict.tier, "pro");
  EXPECT_EQ(verdict.endpoint, "/compare");
  EXPECT_EQ(verdict.cost_milli, 2000u);
  ASSERT_TRUE(verdict.minute);
  EXPECT_EQ(verdict.minute->limit, 100u);
  EXPECT_EQ(verdict.minute->remaining, 42u);
  EXPECT_EQ(verdict.minute->reset_unix_ms, 1'700'000'000'500);
  EXPECT_EQ(verdict.minute->window_s, 60u);
  ASSERT_TRUE(verdict.month);
  EXPECT_EQ(verdict.month->reset_unix_ms, -1);
  EXPECT_EQ(verdict.retry_after_ms, 1500u);
  EXPECT_TRUE(verdict.shadow);
  EXPECT_TRUE(verdict.degraded);
}

TEST(DecodeVerdict, TellsAnAbsentLimitFromAnEmptyOne) {
  EXPECT_FALSE(verdict_in("").minute);
  std::string bytes;
  { pbf_writer{bytes}.add_message(8, std::string()); }
  ASSERT_TRUE(verdict_in(bytes).minute);
  EXPECT_EQ(verdict_in(bytes).minute->limit, 0u);
}

TEST(DecodeVerdict, SkipsFieldsOfALaterVersionAndOfAnotherType) {
  std::string bytes;
  {
    pbf_writer message{bytes};
    message.add_string(1, "not a number");
    message.add_fixed64(77, 1);
    message.add_uint64(3, 5);
    message.add_string(5, "pro");
  }
  const Verdict verdict = verdict_in(bytes);
  EXPECT_EQ(verdict.id, 0u);
  EXPECT_EQ(verdict.reason, "");
  EXPECT_EQ(verdict.tier, "pro");
}

TEST(DecodeResponse, HandsOverVerdictsInOrder) {
  bool ack = false;
  EXPECT_THAT(ids_of(response({3, 1, 2}, true), &ack), ElementsAre(3u, 1u, 2u));
  EXPECT_TRUE(ack);
}

TEST(DecodeResponse, ReadsVerdictsThatFollowLaterAsNoAck) {
  bool ack = true;
  EXPECT_THAT(ids_of(response({5}, false), &ack), ElementsAre(5u));
  EXPECT_FALSE(ack);
}

TEST(DecodeResponse, ReadsAnAckWithoutVerdicts) {
  bool ack = false;
  EXPECT_THAT(ids_of(response({}, true), &ack), IsEmpty());
  EXPECT_TRUE(ack);
}

TEST(DecodeResponse, ThrowsAtWhatIsCutOff) {
  const std::string whole = response({1, 2}, false);
  for (size_t size = 1; size < whole.size(); ++size) {
    if (size == whole.size() / 2) continue;  // just the first verdict
    bool ack = false;
    EXPECT_THROW(ids_of(whole.substr(0, size), &ack), std::invalid_argument) << size;
  }
}

TEST(DecodeResponse, ThrowsInsteadOfReadingBeyondAnyGarbage) {
  uint32_t state = 1;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(round % 64, '\0');
    for (char& c : bytes) {
      state = state * 1664525 + 1013904223;
      c = static_cast<char>(state >> 24);
    }
    bool ack = false;
    try {
      ids_of(bytes, &ack);
    } catch (const std::invalid_argument&) {
    }
  }
}

}  // namespace
}  // namespace quota
