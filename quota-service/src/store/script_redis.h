#pragma once

#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/store.h"
#include "redis/test_servers.h"
#include "store/lease_call.h"
#include "store/scripts.h"

namespace quota::store {

// What one holder has in a bucket or a month, as the script writes it down.
struct Holding {
  uint64_t seq = 0;
  int64_t balance = 0;
  int64_t expiry = 0;  // of a minute's
  int64_t spent = 0;
};

struct MinuteState {
  bool exists = false;
  int64_t level = 0, ts = 0, limit = 0, capacity = 0;
  std::map<std::string, Holding> holders;

  int64_t out() const {
    int64_t sum = 0;
    for (const auto& [name, holding] : holders) sum += holding.balance;
    return sum;
  }
};

struct MonthState {
  bool exists = false;
  int64_t level = 0, limit = 0;
  std::map<std::string, Holding> holders;

  int64_t out() const {
    int64_t sum = 0;
    for (const auto& [name, holding] : holders) sum += holding.balance;
    return sum;
  }
  int64_t spent() const {
    int64_t sum = 0;
    for (const auto& [name, holding] : holders) sum += holding.spent;
    return sum;
  }
};

// A real Redis, one for all tests of a program, whose scripts are the real ones except that they
// read the time from a key which the test sets.
class ScriptRedis {
 public:
  using Text = std::map<std::string, std::string>;

  static ScriptRedis& instance() {
    static ScriptRedis redis;
    return redis;
  }

  void wipe() { command({"FLUSHALL"}); }
  void set_clock(int64_t us) { clock_us_ = us; }
  int64_t clock() const { return clock_us_; }

  // An error that says what the script said, or the grant.
  absl::StatusOr<engine::Grant> lease(const engine::Reserve& request, const LeaseTerms& terms,
                                      std::string_view holder, int64_t void_before_us,
                                      int64_t sent_us = 0) {
    redis::Words words;
    words.add("EVALSHA").add(lease_sha_);
    write_lease_call(request, terms, holder, request.seq, void_before_us, words);
    const Reply reply = at_clock(words);
    if (reply->type == REDIS_REPLY_ERROR) {
      return absl::AbortedError(absl::string_view(reply->str, reply->len));
    }
    return read_lease_answer(*reply, request, sent_us);
  }

  struct Marker {
    std::string born;
    int64_t reset_us = 0;
    int64_t now_us = 0;
    int64_t alive = 0;
  };
  Marker mark(std::string_view key, std::string_view holder, std::string_view run_id,
              std::string_view known, std::string_view birth, int64_t alive_us = 5'000'000) {
    redis::Words words;
    words.add("EVALSHA").add(marker_sha_).add("1").add(key).add(holder).add(run_id).add(known);
    words.add(birth).add(std::to_string(alive_us));
    const Reply reply = at_clock(words);
    if (reply->type != REDIS_REPLY_ARRAY) {
      ADD_FAILURE() << std::string_view(reply->str, reply->len);
      return {};
    }
    return {.born = reply->element[0]->str,
            .reset_us = reply->element[1]->integer,
            .now_us = reply->element[2]->integer,
            .alive = reply->element[3]->integer};
  }

  void reset(const engine::MonthKey& month) {
    const std::string minute = minute_key(month.subject), key = month_key(month);
    redis::Words words;
    words.add("EVALSHA").add(reset_sha_).add("2").add(minute).add(key);
    EXPECT_EQ(at_clock(words)->type, REDIS_REPLY_INTEGER);
  }

  // The hash as it is, for comparisons.
  Text hash(std::string_view key) {
    const Reply reply = command({"HGETALL", key});
    Text text;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
      text[reply->element[i]->str] = reply->element[i + 1]->str;
    }
    return text;
  }

  MinuteState minute(std::string_view subject) {
    MinuteState state;
    for (const auto& [name, value] : hash(minute_key(subject))) {
      if (name == "lvl") state.level = std::stoll(value), state.exists = true;
      if (name == "ts") state.ts = std::stoll(value);
      if (name == "lim") state.limit = std::stoll(value);
      if (name == "cap") state.capacity = std::stoll(value);
      if (!name.starts_with("h:")) continue;
      const std::vector<int64_t> part = parts(value);
      state.holders[name.substr(2)] = {static_cast<uint64_t>(part.at(0)), part.at(1), part.at(2),
                                       part.at(4)};
    }
    return state;
  }

  MonthState month(const engine::MonthKey& key) {
    MonthState state;
    for (const auto& [name, value] : hash(month_key(key))) {
      if (name == "lvl") state.level = std::stoll(value), state.exists = true;
      if (name == "lim") state.limit = std::stoll(value);
      if (!name.starts_with("h:")) continue;
      const std::vector<int64_t> part = parts(value);
      state.holders[name.substr(2)] = {static_cast<uint64_t>(part.at(0)), part.at(1), 0,
                                       part.at(2)};
    }
    return state;
  }

  std::string run(std::initializer_list<std::string_view> words) {
    const Reply reply = command(words);
    if (reply->type == REDIS_REPLY_INTEGER) return std::to_string(reply->integer);
    return reply->str == nullptr ? "" : std::string(reply->str, reply->len);
  }

 private:
  struct Free {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
    void operator()(redisContext* context) const { redisFree(context); }
  };
  using Reply = std::unique_ptr<redisReply, Free>;

  ScriptRedis() : server_({.tcp = false}) {
    context_.reset(redisConnectUnix(server_.socket_path().c_str()));
    lease_sha_ = load(text_of(kLeaseLua));
    marker_sha_ = load(text_of(kMarkerLua));
    reset_sha_ = load(text_of(kResetLua));
  }

  // The lease script may be replaced, to see whether the tests notice a fault in it.
  static std::string text_of(std::string_view embedded) {
    const char* other = std::getenv("QUOTA_LEASE_LUA");
    std::string text(embedded);
    if (other != nullptr && embedded == kLeaseLua) {
      text = (std::ostringstream() << std::ifstream(other).rdbuf()).str();
    }
    constexpr std::string_view kTime = "redis.call('TIME')";
    const size_t at = text.find(kTime);
    EXPECT_NE(at, std::string::npos);
    text.replace(at, kTime.size(), "redis.call('HMGET', 'test:clock', 's', 'us')");
    EXPECT_EQ(text.find(kTime), std::string::npos) << "the script reads the time more than once";
    return text;
  }

  std::string load(const std::string& text) {
    const Reply reply = command({"SCRIPT", "LOAD", text});
    EXPECT_EQ(reply->type, REDIS_REPLY_STRING) << reply->str;
    return reply->str;
  }

  static std::vector<int64_t> parts(const std::string& text) {
    std::vector<int64_t> parts;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, '|');) parts.push_back(std::stoll(part));
    return parts;
  }

  void append(const redis::Words& words) {
    std::vector<const char*> argv;
    std::vector<size_t> sizes;
    for (size_t i = 0; i < words.size(); ++i) {
      argv.push_back(words[i].data());
      sizes.push_back(words[i].size());
    }
    redisAppendCommandArgv(context_.get(), static_cast<int>(argv.size()), argv.data(),
                           sizes.data());
  }

  Reply receive() {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) {
      ADD_FAILURE() << "the test's Redis is gone: " << context_->errstr;
      std::abort();
    }
    return Reply(static_cast<redisReply*>(reply));
  }

  Reply command(std::initializer_list<std::string_view> list) {
    redis::Words words;
    for (const std::string_view word : list) words.add(word);
    append(words);
    return receive();
  }

  Reply at_clock(const redis::Words& words) {
    redis::Words clock;
    clock.add("HSET").add("test:clock").add("s").add(std::to_string(clock_us_ / 1'000'000));
    clock.add("us").add(std::to_string(clock_us_ % 1'000'000));
    append(clock);
    append(words);
    receive();
    return receive();
  }

  redis::testing::RedisServer server_;
  std::unique_ptr<redisContext, Free> context_;
  std::string lease_sha_, marker_sha_, reset_sha_;
  int64_t clock_us_ = 0;
};

}  // namespace quota::store
