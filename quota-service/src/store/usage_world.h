#pragma once

#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "redis/test_servers.h"
#include "store/scripts.h"
#include "store/test_support.h"
#include "store/usage_keys.h"
#include "store/usage_store_checks.h"
#include "store/usage_teller.h"

namespace quota::store {

// A real Redis, and a way to it on which everything can happen that happens to calls.
class UsageWorld {
 public:
  enum class Fate {
    kArrives,
    kRequestLost,
    kAnswerLost,
    kLate,         // arrives with some later call, when nobody waits for it any more
    kKilled,       // the process of the sender ends before it is sent
    kKilledAfter,  // and after it has arrived
  };
  struct Killed {};

  UsageWorld() {
    context_.reset(redisConnectUnix(redis().socket_path().c_str()));
    run({"FLUSHALL"});
  }

  // One for all tests of the program: starting one takes longer than most of them.
  static redis::testing::RedisServer& redis() {
    static redis::testing::RedisServer server({.tcp = false});
    return server;
  }

  std::unique_ptr<UsageTeller> begin_life(const std::string& journal = "") {
    std::unique_ptr<UsageJournal> opened;
    if (!journal.empty()) {
      auto result = UsageJournal::open(directory.file(journal));
      EXPECT_TRUE(result.ok()) << result.status();
      opened = *std::move(result);
    }
    auto teller = std::make_unique<UsageTeller>(
        [this](RedisCalls::Call call) { return send(call); }, std::move(opened),
        [this] { return Now{.mono_us = now_us, .unix_us = kSomeTimeUs + now_us}; });
    EXPECT_EQ(teller->load(), absl::OkStatus());
    return teller;
  }
  // A second later.
  void add(UsageTeller& teller, const usage::Sums& sums, bool is_last = false) {
    now_us += 1'000'000;
    teller.add(sums, kSomeTimeUs + now_us, is_last);
  }
  // Until everything is told, and Redis has been asked whether it still knows.
  void settle(UsageTeller& teller) {
    for (int i = 0; i < 40; ++i) add(teller, {});
    EXPECT_EQ(teller.stats().pending, 0u);
  }

  // What Redis has, of all months.
  usage::Sums counted() {
    usage::Sums sums;
    const Reply keys = run({"KEYS", "quota:{usage:*}:*-*:*"});
    for (size_t i = 0; i < keys->elements; ++i) {
      const std::string key(keys->element[i]->str, keys->element[i]->len);
      const size_t at = key.find("}:") + 2;
      const auto month = usage::Month::parse(key.substr(at, 7));
      const Reply hash = run({"HGETALL", key});
      for (size_t j = 0; month && j + 1 < hash->elements; j += 2) {
        const auto field = read_usage_field(key.substr(at + 8), *month, text(*hash->element[j]));
        const auto value = read_usage_value(text(*hash->element[j + 1]));
        EXPECT_TRUE(field && value) << key;
        if (field && value) sums[*field] += *value;
      }
    }
    return sums;
  }

  void save() { EXPECT_STREQ(run({"SAVE"})->str, "OK"); }
  void roll_back() { EXPECT_STREQ(run({"DEBUG", "RELOAD", "NOSAVE"})->str, "OK"); }

  using Reply = std::unique_ptr<redisReply, decltype(&freeReplyObject)>;
  Reply run(const std::vector<std::string>& words) {
    std::vector<const char*> argv;
    std::vector<size_t> sizes;
    for (const std::string& word : words) {
      argv.push_back(word.data());
      sizes.push_back(word.size());
    }
    return {static_cast<redisReply*>(redisCommandArgv(
                context_.get(), static_cast<int>(words.size()), argv.data(), sizes.data())),
            freeReplyObject};
  }

  TemporaryDirectory directory;
  int64_t now_us = 1'000'000'000;
  std::deque<Fate> fates;  // of the calls to come; then they arrive
  int calls = 0;

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  static std::string text(const redisReply& reply) { return {reply.str, reply.len}; }

  Reply execute(const RedisCalls::Call& call) {
    std::vector<std::string> words = {"EVAL", script_};
    words.insert(words.end(), call.words.begin(), call.words.end());
    return run(words);
  }

  bool send(const RedisCalls::Call& call) {
    ++calls;
    Fate fate = Fate::kArrives;
    if (!fates.empty()) {
      fate = fates.front();
      fates.pop_front();
    }
    if (fate == Fate::kKilled) throw Killed();
    if (fate == Fate::kRequestLost) {
      call.told(absl::UnavailableError("lost"));
      return true;
    }
    if (fate == Fate::kLate) {
      late_.push_back(call);
      call.told(absl::DeadlineExceededError("late"));
      return true;
    }
    const Reply reply = execute(call);
    if (fate == Fate::kKilledAfter) throw Killed();
    if (fate == Fate::kAnswerLost) {
      call.told(absl::DeadlineExceededError("answer lost"));
    } else if (reply->type == REDIS_REPLY_ERROR) {
      call.told(absl::InternalError(std::string(reply->str, reply->len)));
    } else {
      call.told(reply.get());
    }
    while (!late_.empty()) {
      execute(late_.front());
      late_.pop_front();
    }
    return true;
  }

  // It may be replaced, to see whether the tests notice a fault in it.
  static std::string script() {
    const char* other = std::getenv("QUOTA_USAGE_LUA");
    if (other == nullptr) return std::string(kUsageLua);
    return (std::ostringstream() << std::ifstream(other).rdbuf()).str();
  }

  const std::string script_ = script();
  std::unique_ptr<redisContext, Free> context_;
  std::deque<RedisCalls::Call> late_;
};

}  // namespace quota::store
