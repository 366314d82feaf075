#include "store/redis_consumers.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "base/sha256.h"
#include "base/time.h"
#include "redis/protocol.h"
#include "store/consumer_record.h"
#include "store/scripts.h"

namespace quota::store {
namespace {

constexpr const char* kById = "quota:{consumers}:by_id";
constexpr const char* kByKey = "quota:{consumers}:by_key";
constexpr const char* kChannel = "quota:consumers";
constexpr const char* kAtOnce = "1000";  // records of one HSCAN, about
constexpr int kMostAttempts = 10;        // while others change the same record
constexpr int64_t kWarnUs = 1'000'000;

int64_t mono_us() { return read_clocks().mono_us; }

bool is_nil(const redisReply& reply) { return reply.type == REDIS_REPLY_NIL; }

absl::Status strange_reply() {
  return absl::InternalError("Redis gave an answer that nobody understands; is it Redis?");
}

absl::StatusOr<std::optional<std::string>> text_or_nil(const redisReply& reply) {
  if (is_nil(reply)) return std::optional<std::string>();
  if (!redis::is_text(reply)) return strange_reply();
  return std::optional<std::string>(redis::text_of(reply));
}

// What "put" answers: "ok", "changed", or whose the key is.
absl::StatusOr<bool> read_put(const redisReply& reply) {
  if (redis::text_of(reply) == "ok") return true;
  if (redis::text_of(reply) == "changed") return false;
  if (!redis::is_array(reply) || reply.elements != 3) return strange_reply();
  const auto key = sha256_from_hex(redis::text_of(*reply.element[1]));
  if (!key) return strange_reply();
  return key_is_taken(*key, redis::text_of(*reply.element[2]));
}

}  // namespace

RedisConsumers::RedisConsumers(uv_loop_t* loop, redis::Client& client,
                               identity::PartialDirectory& directory)
    : directory_(directory),
      calls_(loop, client),
      script_{kConsumersLua, std::string(kConsumersLuaSha1)} {
  client.subscribe(
      kChannel, [this](std::string_view message) { on_message(message); },
      [this] { directory_.refresh_all(mono_us()); });
  directory_.use(this);
}

RedisConsumers::~RedisConsumers() = default;

void RedisConsumers::close() {
  directory_.use(nullptr);
  calls_.close();
}

RedisCalls::Call RedisConsumers::get(std::string_view id) const {
  return {.key = kById, .words = {"HGET", kById, std::string(id)}};
}

RedisCalls::Call RedisConsumers::run(std::vector<std::string> arguments) const {
  RedisCalls::Call call{.key = kById, .words = {"2", kById, kByKey}, .script = &script_};
  for (std::string& argument : arguments) call.words.push_back(std::move(argument));
  return call;
}

// A record that cannot be read is as good as none.
std::optional<policy::Consumer> RedisConsumers::read(std::string_view record,
                                                     std::optional<std::string_view> id) {
  auto consumer = id ? consumer_from_record(record, *id) : consumer_from_record(record);
  if (consumer) return consumer;
  unreadable_.fetch_add(1, std::memory_order_relaxed);
  const int64_t now_us = mono_us();
  int64_t warned_us = warned_us_.load(std::memory_order_relaxed);
  if (now_us - warned_us >= kWarnUs && warned_us_.compare_exchange_strong(warned_us, now_us)) {
    spdlog::warn("store: {} in Redis holds a record that is no consumer's; it counts as absent",
                 kById);
  }
  return consumer;
}

void RedisConsumers::look_up(const identity::Question& question) {
  const auto* key = std::get_if<Sha256>(&question);
  RedisCalls::Call call =
      key ? run({"find_by_key", to_hex(*key)}) : get(std::get<std::string>(question));
  call.told = [this, question](absl::StatusOr<const redisReply*> reply) {
    const auto record = reply.ok() ? text_or_nil(**reply) : reply.status();
    if (!record.ok()) return directory_.unanswered(question, mono_us());
    std::optional<policy::Consumer> consumer;
    const auto* id = std::get_if<std::string>(&question);
    if (*record) consumer = id ? read(**record, *id) : read(**record);
    directory_.answered(question, std::move(consumer), mono_us());
  };
  calls_.send(std::move(call));
}

// "<id> <digest> <digest>…"
void RedisConsumers::on_message(std::string_view message) {
  const auto next_word = [&] {
    const size_t end = std::min(message.find(' '), message.size());
    const std::string_view word = message.substr(0, end);
    message.remove_prefix(std::min(end + 1, message.size()));
    return word;
  };
  const std::string_view id = next_word();
  std::vector<Sha256> keys;
  while (!message.empty()) {
    const auto key = sha256_from_hex(std::string(next_word()));
    if (key) keys.push_back(*key);
  }
  directory_.forget(id, keys);
}

absl::StatusOr<std::optional<policy::Consumer>> RedisConsumers::find_consumer(std::string_view id) {
  const auto record = calls_.ask<std::optional<std::string>>(get(id), text_or_nil);
  if (!record.ok()) return record.status();
  if (!*record) return std::nullopt;
  return read(**record, id);
}

absl::StatusOr<RedisConsumers::Page> RedisConsumers::scan(const std::string& cursor,
                                                          std::string_view after) {
  RedisCalls::Call call{.key = kById, .words = {"HSCAN", kById, cursor, "COUNT", kAtOnce}};
  // It may be called when nobody waits any more: it must own what it uses.
  return calls_.ask<Page>(
      std::move(call),
      [this, after = std::string(after)](const redisReply& reply) -> absl::StatusOr<Page> {
        if (!redis::is_array(reply) || reply.elements != 2) return strange_reply();
        Page page{.cursor = std::string(redis::text_of(*reply.element[0])), .consumers = {}};
        const redisReply& entries = *reply.element[1];
        for (size_t i = 0; i + 1 < entries.elements; i += 2) {
          const std::string_view id = redis::text_of(*entries.element[i]);
          if (id <= after) continue;
          auto consumer = read(redis::text_of(*entries.element[i + 1]), id);
          if (consumer) page.consumers.emplace(id, *std::move(consumer));
        }
        return page;
      });
}

absl::StatusOr<std::vector<policy::Consumer>> RedisConsumers::list_consumers(std::string_view after,
                                                                             size_t limit) {
  std::map<std::string, policy::Consumer> first;  // of all seen so far, the first `limit`
  std::string cursor = "0";
  do {
    auto page = scan(cursor, after);
    if (!page.ok()) return page.status();
    cursor = std::move(page->cursor);
    first.merge(page->consumers);
    while (first.size() > limit) first.erase(std::prev(first.end()));
  } while (cursor != "0");
  std::vector<policy::Consumer> consumers;
  consumers.reserve(first.size());
  for (auto& [id, consumer] : first) consumers.push_back(std::move(consumer));
  return consumers;
}

absl::StatusOr<policy::Consumer> RedisConsumers::change_consumer(std::string_view id,
                                                                 const Change& change) {
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    const auto record = calls_.ask<std::optional<std::string>>(get(id), text_or_nil);
    if (!record.ok()) return record.status();
    auto after = change(*record ? read(**record, id) : std::nullopt);
    if (!after.ok()) return after;
    std::vector<std::string> arguments = {"put", kChannel, std::string(id),
                                          consumer_to_record(*after), record->value_or("")};
    for (const Sha256& key : after->api_keys) arguments.push_back(to_hex(key));
    const auto is_put = calls_.ask<bool>(run(std::move(arguments)), read_put);
    if (!is_put.ok()) return is_put.status();
    if (*is_put) return after;
  }
  return absl::UnavailableError("others change this consumer at the same time; try again");
}

absl::Status RedisConsumers::remove_consumer(std::string_view id) {
  const auto removed = calls_.ask<std::optional<std::string>>(
      run({"remove", kChannel, std::string(id)}), text_or_nil);
  if (!removed.ok()) return removed.status();
  if (!*removed) return absl::NotFoundError("the store holds no consumer of that id");
  return absl::OkStatus();
}

}  // namespace quota::store
