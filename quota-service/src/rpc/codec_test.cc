#include "rpc/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "quota/v1/quota.pb.h"

// The codec against protobuf's own classes, which the gateway's messages must be readable by.
namespace quota::rpc {
namespace {

using engine::Outcome;
using engine::Reason;

quota::v1::Check full_check() {
  quota::v1::Check check;
  check.set_id(7);
  check.set_method("POST");
  check.set_path("/batch");
  check.set_client_ip(std::string("\xc0\x00\x02\x01", 4));
  check.set_api_key("key");
  check.set_consumer("acme");
  check.set_tier("pro");
  check.set_bearer("Bearer t");
  (*check.mutable_attributes())["country"] = "XX";
  check.set_hits(3);
  check.set_peek(true);
  return check;
}

TEST(Codec, ReadsEveryFieldOfACheck) {
  quota::v1::DecideRequest request;
  *request.add_checks() = full_check();
  const std::string bytes = request.SerializeAsString();
  BatchReader batch(bytes);
  identity::Check check;
  ASSERT_EQ(batch.next(check), BatchReader::Step::kCheck);
  EXPECT_EQ(check.id, 7u);
  EXPECT_EQ(check.method, "POST");
  EXPECT_EQ(check.path, "/batch");
  EXPECT_EQ(check.client_ip, std::string("\xc0\x00\x02\x01", 4));
  EXPECT_EQ(check.api_key, "key");
  EXPECT_EQ(check.consumer, "acme");
  EXPECT_EQ(check.tier, "pro");
  EXPECT_EQ(check.bearer, "Bearer t");
  ASSERT_EQ(check.attributes.size(), 1u);
  EXPECT_EQ(check.attributes[0].name, "country");
  EXPECT_EQ(check.attributes[0].value, "XX");
  EXPECT_EQ(check.hits, 3u);
  EXPECT_TRUE(check.peek);
  EXPECT_EQ(batch.next(check), BatchReader::Step::kEnd);
}

TEST(Codec, NothingOfOneCheckIsLeftInTheNext) {
  quota::v1::DecideRequest request;
  *request.add_checks() = full_check();
  request.add_checks()->set_id(8);
  const std::string bytes = request.SerializeAsString();
  BatchReader batch(bytes);
  identity::Check check;
  ASSERT_EQ(batch.next(check), BatchReader::Step::kCheck);
  ASSERT_EQ(batch.next(check), BatchReader::Step::kCheck);
  EXPECT_EQ(check.id, 8u);
  EXPECT_TRUE(check.api_key.empty());
  EXPECT_TRUE(check.attributes.empty());
  EXPECT_EQ(check.hits, 1u) << "0 hits mean 1";
  EXPECT_FALSE(check.peek);
}

TEST(Codec, InvalidUtf8HarmsNobody) {
  quota::v1::DecideRequest request;
  *request.add_checks() = full_check();
  std::string bytes = request.SerializeAsString();
  bytes.replace(bytes.find("POST"), 4, std::string("\xff\xfe\x00\x80", 4));
  BatchReader batch(bytes);
  identity::Check check;
  EXPECT_EQ(batch.next(check), BatchReader::Step::kCheck);
  EXPECT_EQ(batch.next(check), BatchReader::Step::kEnd);
}

TEST(Codec, UnknownFieldsAndOddWireTypesAreSkipped) {
  std::string bytes("\x0a\x04\x50\x01\x0a\x00", 6);  // hits = 1; field 1, a number, as bytes
  bytes += std::string("\x9a\x06\x01x", 4);          // field 99
  BatchReader batch(bytes);
  identity::Check check;
  EXPECT_EQ(batch.next(check), BatchReader::Step::kCheck);
  EXPECT_EQ(check.id, 0u);
  EXPECT_EQ(batch.next(check), BatchReader::Step::kEnd);
}

TEST(Codec, TooManyAttributesAreRefused) {
  quota::v1::DecideRequest request;
  quota::v1::Check* check = request.add_checks();
  for (size_t i = 0; i <= kMaxAttributesPerCheck; ++i) {
    (*check->mutable_attributes())["a" + std::to_string(i)] = "v";
  }
  const std::string bytes = request.SerializeAsString();
  BatchReader batch(bytes);
  identity::Check read;
  EXPECT_EQ(batch.next(read), BatchReader::Step::kMalformed);
}

TEST(Codec, ACheckRequestWithoutACheckIsRefused) {
  identity::Check check;
  EXPECT_FALSE(read_check_request("", check));
  quota::v1::CheckRequest request;
  *request.mutable_check() = full_check();
  EXPECT_TRUE(read_check_request(request.SerializeAsString(), check));
}

TEST(Codec, WritesEveryFieldOfAVerdict) {
  engine::Decision decision;
  decision.outcome = Outcome::kDenied;
  decision.reason = Reason::kMonth;
  decision.shadow = true;
  decision.degraded = true;
  decision.retry_after_us = 1'001;
  decision.minute = {
      .limit = 100'000, .remaining = 42'999, .reset_unix_us = 5'000'000, .window_s = 60};
  decision.month = {
      .limit = 50'000'000, .remaining = 0, .reset_unix_us = 9'000'000, .window_s = 2'592'000};
  const VerdictFacts facts{
      .id = 9, .consumer = "\xff\x00", .tier = "free", .endpoint = "/batch", .cost_milli = 1'500};
  std::string out;
  append_batch_verdict(out, facts, decision);
  append_ack(out);
  quota::v1::DecideResponse response;
  ASSERT_TRUE(response.ParseFromString(out));
  EXPECT_TRUE(response.ack());
  ASSERT_EQ(response.verdicts_size(), 1);
  const quota::v1::Verdict& verdict = response.verdicts(0);
  EXPECT_EQ(verdict.id(), 9u);
  EXPECT_EQ(verdict.outcome(), quota::v1::DENIED);
  EXPECT_EQ(verdict.reason(), "month");
  EXPECT_EQ(verdict.consumer(), "\xff");
  EXPECT_EQ(verdict.tier(), "free");
  EXPECT_EQ(verdict.endpoint(), "/batch");
  EXPECT_EQ(verdict.cost_milli(), 1'500u);
  EXPECT_EQ(verdict.minute().limit(), 100u);
  EXPECT_EQ(verdict.minute().remaining(), 42u) << "part of a unit is not a unit";
  EXPECT_EQ(verdict.minute().reset_unix_ms(), 5'000);
  EXPECT_EQ(verdict.minute().window_s(), 60u);
  EXPECT_EQ(verdict.month().limit(), 50'000u);
  EXPECT_EQ(verdict.retry_after_ms(), 2u) << "rounded up";
  EXPECT_TRUE(verdict.shadow());
  EXPECT_TRUE(verdict.degraded());

  std::string bare;
  append_verdict(bare, facts, decision);
  quota::v1::Verdict alone;
  ASSERT_TRUE(alone.ParseFromString(bare));
  EXPECT_EQ(alone.SerializeAsString(), verdict.SerializeAsString());
}

TEST(Codec, AVerdictOfAnyLengthIsOneThatProtobufWouldWrite) {
  engine::Decision decision;
  // The largest numbers there are, so that every field is as long as it can be.
  decision.outcome = Outcome::kUnauthenticated;
  decision.reason = Reason::kUnknownCredentials;
  decision.shadow = decision.degraded = true;
  decision.retry_after_us = INT64_MAX;
  decision.minute = decision.month = {.limit = INT64_MAX,
                                      .remaining = INT64_MAX,
                                      .reset_unix_us = INT64_MIN,
                                      .window_s = INT64_MAX};
  for (const size_t length : {0, 1, 50, 90, 100, 127, 128, 16'000, 16'383, 16'384, 100'000}) {
    const std::string endpoint(length, 'e');
    std::string out = "before";
    append_batch_verdict(out, {.id = UINT64_MAX, .endpoint = endpoint, .cost_milli = INT64_MAX},
                         decision);
    quota::v1::DecideResponse response;
    ASSERT_TRUE(response.ParseFromString(out.substr(6))) << length;
    ASSERT_EQ(response.verdicts_size(), 1);
    EXPECT_EQ(response.verdicts(0).endpoint(), endpoint);
    EXPECT_EQ("before" + response.SerializeAsString(), out) << length;
  }
}

TEST(Codec, ASubjectWithoutLimitsGetsNone) {
  std::string out;
  append_verdict(out, {.id = 1}, engine::Decision{});
  quota::v1::Verdict verdict;
  ASSERT_TRUE(verdict.ParseFromString(out));
  EXPECT_FALSE(verdict.has_minute());
  EXPECT_FALSE(verdict.has_month());
}

TEST(Codec, AnEndlessWaitIsTheLongestThatFits) {
  engine::Decision decision;
  decision.retry_after_us = INT64_MAX;
  std::string out;
  append_verdict(out, {.id = 1}, decision);
  quota::v1::Verdict verdict;
  ASSERT_TRUE(verdict.ParseFromString(out));
  EXPECT_EQ(verdict.retry_after_ms(), UINT32_MAX);
}

TEST(Codec, OutcomesAreNumberedAsInTheContract) {
  EXPECT_EQ(static_cast<int>(Outcome::kAllowed), quota::v1::ALLOWED);
  EXPECT_EQ(static_cast<int>(Outcome::kDenied), quota::v1::DENIED);
  EXPECT_EQ(static_cast<int>(Outcome::kExempt), quota::v1::EXEMPT);
  EXPECT_EQ(static_cast<int>(Outcome::kUnauthenticated), quota::v1::UNAUTHENTICATED);
}

// Whatever bytes come: an end or a fault after finitely many checks, whose views stay inside.
RC_GTEST_PROP(CodecProperty, ArbitraryBytesAreReadOrRefused, (const std::string& noise)) {
  BatchReader batch(noise);
  identity::Check check;
  size_t checks = 0;
  while (batch.next(check) == BatchReader::Step::kCheck) {
    RC_ASSERT(++checks <= noise.size());
    for (const std::string_view view : {check.method, check.path, check.api_key, check.bearer}) {
      RC_ASSERT(view.empty() || (view.data() >= noise.data() &&
                                 view.data() + view.size() <= noise.data() + noise.size()));
    }
  }
}

TEST(CodecFuzz, DamagedMessagesAreReadOrRefused) {
  quota::v1::DecideRequest request;
  for (int i = 0; i < 4; ++i) *request.add_checks() = full_check();
  const std::string good = request.SerializeAsString();
  std::mt19937 random(20261120);
  for (int round = 0; round < 50'000; ++round) {
    std::string bad = good;
    for (unsigned i = 0; i < 1 + random() % 4; ++i) {
      bad[random() % bad.size()] = static_cast<char>(random());
    }
    bad.resize(random() % (bad.size() + 1));
    BatchReader batch(bad);
    identity::Check check;
    size_t checks = 0;
    while (batch.next(check) == BatchReader::Step::kCheck) ASSERT_LE(++checks, bad.size());
  }
}

}  // namespace
}  // namespace quota::rpc
