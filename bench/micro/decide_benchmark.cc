// Whole decisions, from the bytes of a batch to the bytes of its answer, with and without what is
// kept of them.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "engine/fake_store.h"
#include "identity/full_directory.h"
#include "policy/live_policy.h"
#include "quota/v1/quota.pb.h"
#include "rpc/decider.h"

namespace quota::rpc {
namespace {

constexpr int kConsumers = 100'000;
constexpr int kBusy = 1'000;  // of them
constexpr int kChecks = 50;   // in a batch

std::string key_of(int consumer) { return "key-" + std::to_string(consumer); }

// A policy file for as long as it is read.
class PolicyFile {
 public:
  PolicyFile() {
    std::ofstream(path_) << "version: 1\n"
                            "default_tier: pro\n"
                            "tiers:\n"
                            "  pro: {requests_per_minute: 1000000000, monthly_quota: 9000000000}\n"
                            "endpoints:\n"
                            "  - {path: /identify, cost: 1}\n"
                            "  - {path: /compare, cost: 2}\n"
                            "  - {path: /batch, cost: 1}\n"
                            "  - {path: /health, cost: 0}\n";
  }
  ~PolicyFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_ = std::filesystem::temp_directory_path() / "decide_benchmark.yaml";
};

class NobodyWaits final : public LateVerdicts {
 public:
  void deliver(const VerdictFacts&, const engine::Decision&) override {}
};

// What a gateway asks in one message, for busy consumers in a scattered order.
std::vector<std::string> batches() {
  constexpr const char* kPaths[] = {"/identify", "/compare", "/batch", "/other"};
  std::vector<std::string> result;
  for (int at = 0; at < kBusy;) {
    v1::DecideRequest request;
    for (int i = 0; i < kChecks; ++i, ++at) {
      v1::Check& check = *request.add_checks();
      check.set_id(static_cast<uint64_t>(at));
      check.set_method("GET");
      check.set_path(kPaths[at % 4]);
      check.set_client_ip(std::string("\xc0\x00\x02\x01", 4));
      check.set_api_key(key_of(at * 7919 % kBusy * (kConsumers / kBusy)));
    }
    result.push_back(request.SerializeAsString());
  }
  return result;
}

struct World {
  World() {
    store.start(&engine);
    const absl::Status status = live.reload();
    if (!status.ok()) std::abort();
    for (int i = 0; i < kConsumers; i += kConsumers / kBusy) {
      policy::Consumer consumer;
      consumer.id = "consumer-" + std::to_string(i);
      consumer.api_keys = {sha256(key_of(i))};
      directory.put(consumer);
    }
  }

  PolicyFile file;
  policy::LivePolicy live{file.path()};
  engine::FakeStore store;
  engine::Engine engine{{}, store};
  identity::FullDirectory directory;
};

enum Kept { kNothing, kCounters, kUsage, kEvents, kAll };

Books books_of(Kept kept) {
  Books books{.counters = nullptr};
  if (kept == kCounters || kept == kAll) {
    books.counters = std::make_shared<telemetry::DecisionCounters>();
  }
  if (kept == kUsage || kept == kAll) books.meter = std::make_shared<usage::Meter>();
  if (kept == kEvents || kept == kAll) {
    books.tap = std::make_shared<events::Tap>(events::TapOptions{
        .sample_allowed = 0.1, .most_denials = 1000, .log_denials = true, .tell_thresholds = true});
  }
  return books;
}

void decide(benchmark::State& state, Kept kept) {
  World world;
  const Books books = books_of(kept);
  Decider decider(world.engine, world.live, world.directory, books);
  const auto late = std::make_shared<NobodyWaits>();
  const std::vector<std::string> messages = batches();
  std::string answer;
  uint64_t waiting = 0;
  size_t at = 0;
  const auto one_batch = [&] {
    answer.clear();
    benchmark::DoNotOptimize(
        decider.decide_batch(messages[at++ % messages.size()], answer, late, waiting));
    world.store.answer(read_clocks());
  };
  // Until every month is covered for long.
  for (int i = 0; i < 2000; ++i) one_batch();
  size_t batches_done = 0;
  for (auto _ : state) {
    one_batch();
    // What other threads do meanwhile: here it is part of what is measured.
    ++batches_done;
    if (books.meter != nullptr && batches_done % 400 == 0) {
      benchmark::DoNotOptimize(books.meter->fetch());
    }
    if (books.tap != nullptr && batches_done % 100 == 0) {
      books.tap->drain([](const events::Event& event) { benchmark::DoNotOptimize(event.kind); });
    }
  }
  state.SetItemsProcessed(state.iterations() * kChecks);
}

BENCHMARK_CAPTURE(decide, nothing_kept, kNothing)->Iterations(2000);
BENCHMARK_CAPTURE(decide, counters, kCounters)->Iterations(2000);
BENCHMARK_CAPTURE(decide, usage, kUsage)->Iterations(2000);
BENCHMARK_CAPTURE(decide, events, kEvents)->Iterations(2000);
BENCHMARK_CAPTURE(decide, everything_kept, kAll)->Iterations(2000);

}  // namespace
}  // namespace quota::rpc
