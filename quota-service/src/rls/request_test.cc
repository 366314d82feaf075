#include "rls/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "envoy/service/ratelimit/v3/rls.pb.h"

// The reader against protobuf's own classes.
namespace quota::rls {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using testing::ElementsAre;
using testing::FieldsAre;
using testing::HasSubstr;
using RateLimitRequest = envoy::service::ratelimit::v3::RateLimitRequest;
using Entries = std::vector<std::pair<std::string, std::string>>;

auto* add_descriptor(RateLimitRequest& request, const Entries& entries) {
  auto* const descriptor = request.add_descriptors();
  for (const auto& [key, value] : entries) {
    auto* const entry = descriptor->add_entries();
    entry->set_key(key);
    entry->set_value(value);
  }
  return descriptor;
}

RateLimitRequest asking(const Entries& entries) {
  RateLimitRequest request;
  request.set_domain("edge");
  add_descriptor(request, entries);
  return request;
}

Fault fault_of(const RateLimitRequest& request) {
  return RequestReader().read(request.SerializeAsString());
}

TEST(RateLimitRequest, EveryKnownKeyIsAFieldAndAnyOtherAnAttribute) {
  const std::string bytes = asking({{"api_key", "key"},
                                    {"consumer", "acme"},
                                    {"tier", "pro"},
                                    {"bearer", "t"},
                                    {"remote_address", "192.0.2.1"},
                                    {"method", "POST"},
                                    {"path", "/batch?x=1"},
                                    {"masked_remote_address", "192.0.2.0/24"},
                                    {"generic_key", "slow"}})
                                .SerializeAsString();
  RequestReader reader;
  ASSERT_EQ(reader.read(bytes), Fault::kNone);
  ASSERT_EQ(reader.size(), 1u);
  const identity::Check& check = reader[0];
  EXPECT_EQ(check.api_key, "key");
  EXPECT_EQ(check.consumer, "acme");
  EXPECT_EQ(check.tier, "pro");
  EXPECT_EQ(check.bearer, "t");
  EXPECT_EQ(check.client_ip, "\xc0\x00\x02\x01"sv);
  EXPECT_EQ(check.method, "POST");
  EXPECT_EQ(check.path, "/batch");
  EXPECT_THAT(check.attributes,
              ElementsAre(FieldsAre("masked_remote_address", "192.0.2.0/24"),
                          FieldsAre("generic_key", "slow"), FieldsAre("domain", "edge")));
  EXPECT_EQ(check.hits, 1u);
  EXPECT_FALSE(check.peek);
}

TEST(RateLimitRequest, AnAddressMayBeIpv6OrNoneAtAll) {
  RateLimitRequest request = asking({{"remote_address", "2001:db8::1"}});
  add_descriptor(request, {{"remote_address", "192.0.2.1, 192.0.2.2"}});
  const std::string bytes = request.SerializeAsString();
  RequestReader reader;
  ASSERT_EQ(reader.read(bytes), Fault::kNone);
  EXPECT_EQ(reader[0].client_ip.size(), 16u);
  EXPECT_EQ(reader[0].client_ip.substr(0, 4), "\x20\x01\x0d\xb8");
  EXPECT_TRUE(reader[1].client_ip.empty());
}

TEST(RateLimitRequest, EachDescriptorIsACheckWithItsPlaceAsId) {
  RateLimitRequest request = asking({{"api_key", "one"}, {"path", "//a"}});
  add_descriptor(request, {{"api_key", "two"}, {"path", "//b"}});
  const std::string bytes = request.SerializeAsString();
  RequestReader reader;
  ASSERT_EQ(reader.read(bytes), Fault::kNone);
  ASSERT_EQ(reader.size(), 2u);
  EXPECT_EQ(reader[0].id, 0u);
  EXPECT_EQ(reader[1].id, 1u);
  EXPECT_EQ(reader[0].path, "/a");
  EXPECT_EQ(reader[1].path, "/b");
  EXPECT_EQ(reader[1].api_key, "two");
}

TEST(RateLimitRequest, NothingOfOneRequestIsLeftInTheNext) {
  RequestReader reader;
  RateLimitRequest full = asking({{"api_key", "key"}, {"remote_address", "192.0.2.1"}, {"x", "y"}});
  full.mutable_descriptors(0)->mutable_hits_addend()->set_value(0);
  const std::string first = full.SerializeAsString();
  ASSERT_EQ(reader.read(first), Fault::kNone);
  const std::string second = asking({{"generic_key", "z"}}).SerializeAsString();
  ASSERT_EQ(reader.read(second), Fault::kNone);
  EXPECT_TRUE(reader[0].api_key.empty());
  EXPECT_TRUE(reader[0].client_ip.empty());
  EXPECT_EQ(reader[0].attributes.size(), 2u);
  EXPECT_FALSE(reader[0].peek);
}

struct Hits {
  uint32_t request;
  std::optional<uint64_t> descriptor;
  uint32_t expected;
  bool peek;
};

class HitsTest : public testing::TestWithParam<Hits> {};

TEST_P(HitsTest, AreTheDescriptorsOrElseTheRequests) {
  RateLimitRequest request = asking({{"api_key", "key"}});
  request.set_hits_addend(GetParam().request);
  if (GetParam().descriptor) {
    request.mutable_descriptors(0)->mutable_hits_addend()->set_value(*GetParam().descriptor);
  }
  const std::string bytes = request.SerializeAsString();
  RequestReader reader;
  ASSERT_EQ(reader.read(bytes), Fault::kNone);
  EXPECT_EQ(reader[0].hits, GetParam().expected);
  EXPECT_EQ(reader[0].peek, GetParam().peek);
}

INSTANTIATE_TEST_SUITE_P(All, HitsTest,
                         testing::Values(Hits{0, std::nullopt, 1, false},
                                         Hits{7, std::nullopt, 7, false}, Hits{7, 3, 3, false},
                                         Hits{7, 0, 1, true}, Hits{0, 1, 1, false},
                                         Hits{0, UINT64_MAX, UINT32_MAX, false}));

TEST(RateLimitRequest, TheOrderOfFieldsDoesNotMatter) {
  const std::string bytes = asking({{"api_key", "key"}}).SerializeAsString();
  const std::string domain = bytes.substr(0, 6);
  RequestReader reader;
  const std::string turned = "\x18\x05" + bytes.substr(6) + domain;
  ASSERT_EQ(reader.read(turned), Fault::kNone);
  EXPECT_EQ(reader[0].hits, 5u);
  EXPECT_THAT(reader[0].attributes, ElementsAre(FieldsAre("domain", "edge")));
}

TEST(RateLimitRequest, WhatIsNotKnownIsSkipped) {
  RateLimitRequest request = asking({{"api_key", "key"}});
  request.mutable_descriptors(0)->mutable_limit()->set_requests_per_unit(5);
  const std::string bytes = request.SerializeAsString() + "\x7a\x01x";
  RequestReader reader;
  ASSERT_EQ(reader.read(bytes), Fault::kNone);
  EXPECT_EQ(reader.size(), 1u);
}

TEST(RateLimitRequest, EachFaultHasItsSentence) {
  EXPECT_EQ(fault_of(RateLimitRequest()), Fault::kDomain);
  RateLimitRequest request;
  request.set_domain("edge");
  EXPECT_EQ(fault_of(request), Fault::kNoDescriptors);
  request.add_descriptors();
  EXPECT_EQ(fault_of(request), Fault::kNoEntries);
  EXPECT_EQ(fault_of(asking({{"", "x"}})), Fault::kKey);
  EXPECT_EQ(fault_of(asking({{std::string(kMaxNameBytes, 'k'), "x"}})), Fault::kNone);
  EXPECT_EQ(fault_of(asking({{std::string(kMaxNameBytes + 1, 'k'), "x"}})), Fault::kKey);
  request = asking({{"a", "b"}});
  request.set_domain(std::string(kMaxNameBytes + 1, 'd'));
  EXPECT_EQ(fault_of(request), Fault::kDomain);
  EXPECT_EQ(fault_of(asking(Entries(kMaxEntries, {"a", "b"}))), Fault::kNone);
  EXPECT_EQ(fault_of(asking(Entries(kMaxEntries + 1, {"a", "b"}))), Fault::kManyEntries);
  request = asking({{"a", "b"}});
  for (size_t i = 1; i < kMaxDescriptors; ++i) add_descriptor(request, {{"a", "b"}});
  EXPECT_EQ(fault_of(request), Fault::kNone);
  add_descriptor(request, {{"a", "b"}});
  EXPECT_EQ(fault_of(request), Fault::kManyDescriptors);
  EXPECT_THAT(to_sentence(Fault::kManyDescriptors), HasSubstr("32"));
  EXPECT_EQ(RequestReader().read("\x0a"), Fault::kMalformed);
}

TEST(RateLimitRequest, LongValuesAreCut) {
  const std::string bytes =
      asking({{"path", "/" + std::string(kMaxValueBytes, 'x')}, {"method", std::string(100, 'M')}})
          .SerializeAsString();
  RequestReader reader;
  ASSERT_EQ(reader.read(bytes), Fault::kNone);
  EXPECT_EQ(reader[0].path.size(), kMaxValueBytes);
  EXPECT_EQ(reader[0].method.size(), 64u);
}

// Every view must lie in the message or in the reader, whatever the bytes are: the sanitizers see
// to that here.
uint64_t read_all(RequestReader& reader, std::string_view bytes) {
  uint64_t sum = 0;
  const auto add = [&](std::string_view view) {
    for (const char c : view) sum += static_cast<uint8_t>(c);
  };
  // Memory of exactly this size, so that a read beyond it is found.
  const std::vector<char> exact(bytes.begin(), bytes.end());
  if (reader.read({exact.data(), exact.size()}) != Fault::kNone) return 0;
  for (size_t i = 0; i < reader.size(); ++i) {
    const identity::Check& check = reader[i];
    for (const std::string_view view : {check.method, check.path, check.client_ip, check.api_key,
                                        check.consumer, check.tier, check.bearer}) {
      add(view);
    }
    for (const auto& [name, value] : check.attributes) {
      add(name);
      add(value);
    }
  }
  return sum;
}

TEST(RateLimitRequest, NoBytesDoHarm) {
  RateLimitRequest request = asking({{"api_key", "key"},
                                     {"remote_address", "2001:db8::1"},
                                     {"path", "/a/%2e./b//c?d"},
                                     {"country", "XX"}});
  request.mutable_descriptors(0)->mutable_hits_addend()->set_value(300);
  add_descriptor(request, {{"remote_address", "192.0.2.1"}});
  const std::string whole = request.SerializeAsString();
  RequestReader reader;
  EXPECT_NE(read_all(reader, whole), 0u);
  for (size_t size = 0; size < whole.size(); ++size) read_all(reader, whole.substr(0, size));
  std::mt19937 random(1);
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes = whole;
    const size_t changes = 1 + random() % 4;
    for (size_t n = 0; n < changes; ++n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    read_all(reader, bytes);
  }
}

// protobuf complains of strings that are no UTF-8.
std::string as_text(std::string bytes) {
  for (char& c : bytes) c = static_cast<char>(c & 0x7f);
  return bytes;
}

RC_GTEST_PROP(RateLimitRequestProperty, IsReadAsItWasWritten,
              (const std::vector<std::vector<std::pair<std::string, std::string>>>& wanted)) {
  RateLimitRequest request;
  request.set_domain("edge");
  std::vector<Entries> sent;
  for (const auto& entries : wanted) {
    Entries kept;
    for (const auto& [key, value] : entries) {
      kept.emplace_back("k" + as_text(key.substr(0, 100)), as_text(value));
    }
    if (kept.size() > kMaxEntries) kept.resize(kMaxEntries);
    if (kept.empty() || sent.size() == kMaxDescriptors) continue;
    add_descriptor(request, kept);
    sent.push_back(kept);
  }
  RC_PRE(!sent.empty());
  const std::string bytes = request.SerializeAsString();
  RequestReader reader;
  RC_ASSERT(reader.read(bytes) == Fault::kNone);
  RC_ASSERT(reader.size() == sent.size());
  for (size_t i = 0; i < sent.size(); ++i) {
    RC_ASSERT(reader[i].attributes.size() == sent[i].size() + 1);
    for (size_t n = 0; n < sent[i].size(); ++n) {
      RC_ASSERT(reader[i].attributes[n].name == sent[i][n].first);
      RC_ASSERT(reader[i].attributes[n].value == sent[i][n].second);
    }
  }
}

}  // namespace
}  // namespace quota::rls
