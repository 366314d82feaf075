#pragma once

// What the micro benchmarks and the instruction counts have in common: a policy, consumers, a store
// that is never waited for, and the messages of a gateway. Nothing here depends on chance.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/store.h"
#include "identity/full_directory.h"
#include "policy/live_policy.h"
#include "rpc/books.h"
#include "rpc/decider.h"

namespace quota::bench {

// Grants the whole of a month at once, so that no check waits for it twice. For one thread.
class GenerousStore final : public engine::Store {
 public:
  void start(engine::GrantSink* sink) override { sink_ = sink; }
  void reserve(engine::Reserve request) override;
  void settle(engine::MonthKey, int64_t) override {}
  void spend(engine::MonthKey, int64_t) override {}
  void journal(engine::MonthKey, int64_t, bool) override {}
  void reset(engine::MonthKey) override {}
  bool healthy() const override { return true; }

  // Delivers what was asked for since the last call.
  void answer(Now now);

 private:
  engine::GrantSink* sink_ = nullptr;
  std::vector<engine::Grant> grants_;
};

// An engine with its store, and room for so many consumers and as many addresses.
struct EngineWorld {
  explicit EngineWorld(size_t subjects);
  GenerousStore store;
  engine::Engine engine;
};

// Limits that nobody reaches, prices for a few endpoints, and a gateway that is trusted.
std::shared_ptr<const policy::Policy> make_policy();

std::string consumer_id(size_t number);
std::string api_key(size_t number);

// All that is needed for a decision, with `consumers` of them who hold an API key each.
struct World : EngineWorld {
  explicit World(size_t consumers);
  policy::LivePolicy live{make_policy()};
  identity::FullDirectory directory;
};

// By what a client is known.
enum class Who { kConsumer, kApiKey, kUnknownKey, kIpv4, kIpv6 };
std::string_view name_of(Who who);

// What a gateway sends: DecideRequests of `checks` checks each, that come from `clients` clients in
// a scattered order, about two checks from each.
std::vector<std::string> make_batches(Who who, size_t checks, size_t clients);

enum class Kept { kNothing, kCounters, kUsage, kEvents, kAll };
rpc::Books make_books(Kept kept);

class NobodyWaits final : public rpc::LateVerdicts {
 public:
  void deliver(const rpc::VerdictFacts&, const engine::Decision&) override {}
};

// Decides batch after batch, as one thread of quotad does.
class DecideLoop {
 public:
  DecideLoop(World& world, Kept kept, std::vector<std::string> batches,
             rpc::DeciderOptions options = {});

  // Decides the next batch; what it answers stays until the next call.
  const std::string& next() {
    answer_.clear();
    decide(batches_[at_], answer_);
    at_ = at_ + 1 < batches_.size() ? at_ + 1 : 0;
    return answer_;
  }
  bool decide(std::string_view batch, std::string& answer) {
    return decider_.decide_batch(batch, answer, late_, waiting_);
  }
  // What other threads do meanwhile: the store's, and those that fetch what was kept.
  void tidy();
  // Until every client was seen twice and every month is covered.
  void warm_up();

  uint64_t waiting() const { return waiting_; }

 private:
  World& world_;
  const rpc::Books books_;
  rpc::Decider decider_;
  const std::vector<std::string> batches_;
  const std::shared_ptr<NobodyWaits> late_ = std::make_shared<NobodyWaits>();
  std::string answer_;
  uint64_t waiting_ = 0;
  size_t at_ = 0;
};

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e37'79b9'7f4a'7c15;
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
    return z ^ z >> 31;
  }
  size_t below(size_t bound) { return static_cast<size_t>(next() % bound); }

 private:
  uint64_t state_;
};

}  // namespace quota::bench
