#include "micro/world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "policy/load.h"
#include "quota/v1/quota.pb.h"

namespace quota::bench {
namespace {

constexpr std::string_view kPolicy = R"(version: 1
default_tier: pro
tiers:
  free: {requests_per_minute: 1000000, monthly_quota: 1000000000}
  pro: {requests_per_minute: 100000000, monthly_quota: 100000000000}
endpoints:
  - {method: OPTIONS, path: "*", cost: 0}
  - {path: /identify, cost: 1}
  - {path: /compare, cost: 2}
  - {path: /batch, cost: 1}
  - {path: /health, cost: 0}
anonymous: {requests_per_minute: 1000000}
identity: {trust: [consumer, tier]}
)";

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

std::string numbered(std::string_view prefix, size_t number, size_t digits) {
  std::string text = std::to_string(number);
  return std::string(prefix).append(digits - std::min(digits, text.size()), '0').append(text);
}

engine::EngineOptions room_for(size_t subjects) {
  // Shards fill unevenly.
  const auto room = static_cast<int64_t>(subjects + subjects / 4 + 10'000);
  return {.max_subjects = room, .max_anonymous = room};
}

std::string address(Who who, size_t client) {
  std::string bytes = who == Who::kIpv6 ? std::string("\x20\x01\x0d\xb8", 4) : std::string("\x0b");
  const size_t size = who == Who::kIpv6 ? 16 : 4;
  // An IPv6 client is its /64.
  const size_t digits = who == Who::kIpv6 ? 4 : 3;
  for (size_t i = 0; i < digits; ++i) {
    bytes += static_cast<char>(client >> (8 * (digits - 1 - i)));
  }
  bytes.resize(size, '\1');
  return bytes;
}

void fill(v1::Check& check, Who who, size_t client, size_t number) {
  constexpr const char* kPaths[] = {"/identify", "/compare", "/batch", "/other"};
  check.set_id(uint64_t{1} << 32 | number % 512);
  check.set_method(number % 3 == 0 ? "POST" : "GET");
  check.set_path(kPaths[number % 4]);
  check.set_client_ip(address(who, client));
  if (who == Who::kConsumer) {
    check.set_consumer(consumer_id(client));
    check.set_tier("pro");
  } else if (who == Who::kApiKey) {
    check.set_api_key(api_key(client));
  } else if (who == Who::kUnknownKey) {
    check.set_api_key("no-" + api_key(client));
  }
}

}  // namespace

void GenerousStore::reserve(engine::Reserve request) {
  grants_.push_back({.month = std::move(request.month),
                     .used = std::max<int64_t>(request.used, 0),
                     .mark = request.limit,
                     .ok = true,
                     .seq = request.seq});
}

void GenerousStore::answer(Now now) {
  if (grants_.empty()) return;
  const std::vector<engine::Grant> grants = std::exchange(grants_, {});
  sink_->on_grants(grants, now);
}

EngineWorld::EngineWorld(size_t subjects) : engine(room_for(subjects), store) {
  store.start(&engine);
}

std::shared_ptr<const policy::Policy> make_policy() {
  auto policy = policy::load_policy(kPolicy, "world.cc");
  if (!policy.ok()) give_up(std::string(policy.status().message()));
  return *std::move(policy);
}

std::string consumer_id(size_t number) { return numbered("consumer-", number, 7); }

std::string api_key(size_t number) { return numbered("sk_live_", number, 24); }

World::World(size_t consumers) : EngineWorld(consumers) {
  for (size_t i = 0; i < consumers; ++i) {
    policy::Consumer consumer;
    consumer.id = consumer_id(i);
    consumer.tier = "pro";
    consumer.api_keys = {sha256(api_key(i))};
    directory.put(std::move(consumer));
  }
}

std::string_view name_of(Who who) {
  constexpr std::string_view kNames[] = {"consumer", "api_key", "unknown_key", "ipv4", "ipv6"};
  return kNames[static_cast<size_t>(who)];
}

std::vector<std::string> make_batches(Who who, size_t checks, size_t clients) {
  Random random(7);
  std::vector<std::string> batches;
  for (size_t number = 0; number < 2 * clients;) {
    v1::DecideRequest request;
    for (size_t i = 0; i < checks; ++i, ++number) {
      fill(*request.add_checks(), who, random.below(clients), number);
    }
    batches.push_back(request.SerializeAsString());
  }
  return batches;
}

rpc::Books make_books(Kept kept) {
  rpc::Books books{.counters = nullptr};
  const bool all = kept == Kept::kAll;
  if (all || kept == Kept::kCounters) {
    books.counters = std::make_shared<telemetry::DecisionCounters>();
  }
  if (all || kept == Kept::kUsage) books.meter = std::make_shared<usage::Meter>();
  if (all || kept == Kept::kEvents) {
    books.tap = std::make_shared<events::Tap>(events::TapOptions{
        .sample_allowed = 0.1, .most_denials = 1000, .log_denials = true, .tell_thresholds = true});
  }
  return books;
}

DecideLoop::DecideLoop(World& world, Kept kept, std::vector<std::string> batches,
                       rpc::DeciderOptions options)
    : world_(world),
      books_(make_books(kept)),
      decider_(world.engine, world.live, world.directory, books_, std::move(options)),
      batches_(std::move(batches)) {}

void DecideLoop::tidy() {
  world_.store.answer(read_clocks());
  if (books_.meter != nullptr) books_.meter->fetch();
  if (books_.tap != nullptr) books_.tap->drain([](const events::Event&) {});
}

void DecideLoop::warm_up() {
  for (size_t i = 0; i < 3 * batches_.size(); ++i) {
    next();
    tidy();
  }
  waiting_ = 0;
}

}  // namespace quota::bench
