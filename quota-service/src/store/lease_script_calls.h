#pragma once

#include <gtest/gtest.h>

#include <string>

#include "store/script_redis.h"

namespace quota::store {

using engine::Grant;
using engine::Reserve;

inline constexpr int64_t kSecond = 1'000'000;
inline constexpr int64_t kStart = 2'524'608'000LL * kSecond;
inline constexpr int64_t kTtl = 2 * kSecond;
inline constexpr int32_t kPeriod = 29'220;
inline const std::string kSubject = "c:acme";

// The lease script alone, called by hand.
class LeaseScript : public testing::Test {
 protected:
  struct Ask {
    int64_t limit = 60'000;  // one milli-token a millisecond
    int64_t capacity = 90'000;
    int64_t spent = 0, returned = 0, debt = 0, want = 0, least = 0;
  };
  struct MonthAsk {
    int64_t limit = 100'000;
    int64_t used = 0, want = 0, least = 0;
    bool release = false;
  };

  void SetUp() override { redis_.wipe(); }

  absl::StatusOr<Grant> send(const std::string& holder, uint64_t seq, const Reserve& request) {
    Reserve numbered = request;
    numbered.seq = seq;
    numbered.month = {kSubject, kPeriod};
    redis_.set_clock(kStart + us_);
    return redis_.lease(numbered, terms_, holder, void_before_);
  }
  Grant call(const std::string& holder, uint64_t seq, const Reserve& request) {
    auto grant = send(holder, seq, request);
    EXPECT_TRUE(grant.ok()) << grant.status();
    return grant.ok() ? *grant : Grant{};
  }
  static Reserve minute(const Ask& ask) {
    return {.month = {},
            .limit = -1,
            .minute = {ask.limit, ask.capacity, ask.spent, ask.returned, ask.debt, ask.want,
                       ask.least}};
  }
  static Reserve month(const MonthAsk& ask) {
    return {.month = {},
            .limit = ask.limit,
            .cost = ask.least,
            .demand = ask.want,
            .used = ask.used,
            .release = ask.release};
  }
  Grant ask(const std::string& holder, uint64_t seq, const Ask& ask) {
    return call(holder, seq, minute(ask));
  }
  Grant ask_month(const std::string& holder, uint64_t seq, const MonthAsk& ask) {
    return call(holder, seq, month(ask));
  }
  // A bucket in which `level` is left, and nothing leased.
  void bucket_of(int64_t level, int64_t limit = 60'000, int64_t capacity = 90'000) {
    ask("filler", 1, {.limit = limit, .capacity = capacity, .debt = limit - level});
    redis_.run({"HDEL", minute_key(kSubject), "h:filler"});
    ASSERT_EQ(state().level, level);
  }
  MinuteState state() { return redis_.minute(kSubject); }
  MonthState month_state() { return redis_.month({kSubject, kPeriod}); }

  ScriptRedis& redis_ = ScriptRedis::instance();
  LeaseTerms terms_{.holder = "", .ttl_us = kTtl, .retention_ms = 3'600'000, .marker = ""};
  int64_t us_ = 0;
  int64_t void_before_ = 0;
};

}  // namespace quota::store
