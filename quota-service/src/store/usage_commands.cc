#include "store/usage_commands.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <map>
#include <utility>

#include "redis/protocol.h"
#include "store/usage_keys.h"

namespace quota::store {
namespace {

using usage::Month;

constexpr size_t kConsumersAtOnce = 100;

absl::Status strange_reply() {
  return absl::InternalError("Redis gave an answer about usage that nobody understands");
}

// Names, one after the other, of a sorted set.
absl::StatusOr<std::vector<std::string>> read_names(const redisReply& reply) {
  if (!redis::is_array(reply)) return strange_reply();
  std::vector<std::string> names;
  for (size_t i = 0; i < reply.elements; ++i) {
    names.emplace_back(redis::text_of(*reply.element[i]));
  }
  return names;
}

// The first `count` consumers of the month, by name; with less than that, all.
absl::StatusOr<std::vector<std::string>> consumers(RedisCalls& calls, const usage::Query& query,
                                                   size_t count) {
  const std::string from = query.after ? "(" + *query.after : "-";
  std::vector<RedisCalls::Call> asked;
  for (int shard = 0; shard < kUsageShards; ++shard) {
    const std::string key = usage_consumers_key(shard, query.month);
    asked.push_back(
        {.key = key,
         .words = {"ZRANGEBYLEX", key, from, "+", "LIMIT", "0", std::to_string(count)}});
  }
  const auto shards = calls.ask_all<std::vector<std::string>>(std::move(asked), read_names);
  if (!shards.ok()) return shards.status();
  std::vector<std::string> names;
  for (const auto& some : *shards) names.insert(names.end(), some.begin(), some.end());
  std::ranges::sort(names);
  if (names.size() > count) names.resize(count);
  return names;
}

using Texts = std::vector<std::pair<std::string, std::string>>;

absl::StatusOr<Texts> read_hash(const redisReply& reply) {
  if (!redis::is_array(reply)) return strange_reply();
  Texts texts;
  for (size_t i = 0; i + 1 < reply.elements; i += 2) {
    texts.emplace_back(redis::text_of(*reply.element[i]), redis::text_of(*reply.element[i + 1]));
  }
  return texts;
}

void append(const std::string& consumer, const Texts& texts, const usage::Query& query,
            usage::Page& page) {
  std::map<usage::Key, usage::Amount> sums;
  for (const auto& [field, value] : texts) {
    auto key = read_usage_field(consumer, query.month, field);
    const auto amount = read_usage_value(value);
    if (!key || !amount) continue;  // not written by quotad
    if (!query.by_day) key->day = query.month.first_day();
    sums[*std::move(key)] += *amount;
  }
  for (const auto& [key, amount] : sums) page.entries.push_back({key, amount});
}

}  // namespace

std::vector<std::string> usage_script_words(const UsageChannel& channel,
                                            const UsageChannel::Message& message) {
  // By consumer and month: each is a hash of its own.
  std::map<std::pair<std::string, Month>, std::vector<const usage::Entry*>> parts;
  if (message.batch != nullptr) {
    for (const usage::Entry& entry : message.batch->entries) {
      parts[{entry.key.consumer, Month::of_day(entry.key.day)}].push_back(&entry);
    }
  }
  std::vector<std::string> words = {std::to_string(1 + 2 * parts.size()),
                                    usage_last_key(channel.shard())};
  for (const auto& [name, entries] : parts) {
    words.push_back(usage_consumers_key(channel.shard(), name.second));
    words.push_back(usage_key(name.second, name.first));
  }
  words.push_back(channel.holder());
  words.push_back(std::to_string(message.batch != nullptr ? message.batch->number : 0));
  words.emplace_back(message.accepts_gap ? "1" : "0");
  for (const auto& [name, entries] : parts) {
    words.push_back(name.first);
    words.push_back(std::to_string(usage_expiry(name.second)));
    words.push_back(std::to_string(entries.size()));
    for (const usage::Entry* entry : entries) {
      words.push_back(usage_field(entry->key));
      words.push_back(std::to_string(entry->amount.requests));
      words.push_back(std::to_string(entry->amount.cost_milli));
      words.push_back(std::to_string(entry->amount.denials));
    }
  }
  return words;
}

absl::StatusOr<UsageAnswer> read_usage_answer(const redisReply& reply) {
  using Answer = UsageChannel::Answer;
  if (!redis::is_array(reply) || reply.elements != 2 || !redis::is_text(*reply.element[0]) ||
      reply.element[1]->type != REDIS_REPLY_INTEGER || reply.element[1]->integer < 0) {
    return strange_reply();
  }
  const std::string_view word = redis::text_of(*reply.element[0]);
  const auto last = static_cast<uint64_t>(reply.element[1]->integer);
  if (word == "ok") return UsageAnswer{Answer::kOk, last};
  if (word == "dup") return UsageAnswer{Answer::kDuplicate, last};
  if (word == "gap") return UsageAnswer{Answer::kGap, last};
  if (word == "at") return UsageAnswer{Answer::kAt, last};
  return strange_reply();
}

absl::StatusOr<usage::Page> read_usage(RedisCalls& calls, const usage::Query& query) {
  absl::StatusOr<std::vector<std::string>> names;
  if (query.consumer) {
    names = std::vector<std::string>();
    if (!query.after || *query.after < *query.consumer) names->push_back(*query.consumer);
  } else {
    // Each has an entry at least; one more shows that there is more.
    names = consumers(calls, query, query.limit + 1);
    if (!names.ok()) return names.status();
  }
  usage::Page page;
  size_t done = 0;
  while (done < std::min(names->size(), query.limit) && page.entries.size() < query.limit) {
    std::vector<RedisCalls::Call> asked;
    const size_t end = std::min({names->size(), query.limit, done + kConsumersAtOnce});
    for (size_t i = done; i < end; ++i) {
      std::string key = usage_key(query.month, (*names)[i]);
      asked.push_back({.key = key, .words = {"HGETALL", key}});
    }
    const auto hashes = calls.ask_all<Texts>(std::move(asked), read_hash);
    if (!hashes.ok()) return hashes.status();
    for (const Texts& texts : *hashes) {
      append((*names)[done++], texts, query, page);
      if (page.entries.size() >= query.limit) break;
    }
  }
  if (done < names->size()) page.next = (*names)[done - 1];
  return page;
}

}  // namespace quota::store
