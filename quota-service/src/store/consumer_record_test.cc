#include "store/consumer_record.h"

#include <gtest/gtest.h>

#include "base/sha256.h"

namespace quota::store {
namespace {

TEST(consumer_record, gives_back_what_it_was_made_of) {
  const policy::Consumer full{.id = "acme/\"1\"",
                              .tier = "pro",
                              .overrides = {.minute = 5'000'000, .month = 1},
                              .billing_day = 31,
                              .api_keys = {sha256("b"), sha256("a")}};
  policy::Consumer plain;
  plain.id = "plain";
  for (const policy::Consumer& consumer : {full, plain}) {
    const auto back = consumer_from_record(consumer_to_record(consumer), consumer.id);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->id, consumer.id);
    EXPECT_EQ(back->tier, consumer.tier);
    EXPECT_EQ(back->overrides, consumer.overrides);
    EXPECT_EQ(back->billing_day, consumer.billing_day);
    EXPECT_EQ(back->api_keys, consumer.api_keys);
  }
}

TEST(consumer_record, needs_no_more_than_an_id_and_takes_what_newer_versions_add) {
  const auto consumer = consumer_from_record(R"({"id": "acme", "since": {"version": 2}})");
  ASSERT_TRUE(consumer);
  EXPECT_EQ(consumer->billing_day, 1);
  EXPECT_TRUE(consumer->api_keys.empty());
}

TEST(consumer_record, of_somebody_else_is_none) {
  EXPECT_FALSE(consumer_from_record(R"({"id": "acme"})", "zenith"));
}

TEST(consumer_record, is_nothing_else) {
  const std::string too_long = R"({"id": "acme", "more": ")" + std::string(300'000, 'x') + R"("})";
  const std::string deep = R"({"id": "acme", "more": )" + std::string(200'000, '[');
  for (const std::string& text :
       std::initializer_list<std::string>{"",
                                          "null",
                                          "[]",
                                          "{",
                                          "{}",
                                          R"({"id": 1})",
                                          R"({"id": ""})",
                                          R"({"id": "a b"})",
                                          "{\"id\": \"\xff\"}",
                                          R"({"id": "acme", "tier": 1})",
                                          R"({"id": "acme", "tier": []})",
                                          R"({"id": "acme", "billing_day": 0})",
                                          R"({"id": "acme", "billing_day": 32})",
                                          R"({"id": "acme", "billing_day": 1.5})",
                                          R"({"id": "acme", "billing_day": "1"})",
                                          R"({"id": "acme", "minute_milli": 0})",
                                          R"({"id": "acme", "minute_milli": -1})",
                                          R"({"id": "acme", "month_milli": 18446744073709551615})",
                                          R"({"id": "acme", "month_milli": 1e3})",
                                          R"({"id": "acme", "api_keys": {}})",
                                          R"({"id": "acme", "api_keys": [1]})",
                                          R"({"id": "acme", "api_keys": ["abc"]})",
                                          too_long,
                                          deep}) {
    EXPECT_FALSE(consumer_from_record(text)) << text.substr(0, 80);
  }
}

}  // namespace
}  // namespace quota::store
