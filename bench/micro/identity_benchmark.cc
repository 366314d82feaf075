// Who asks: identity::Resolver with 1,000 clients that it has seen before, and with API keys that
// it has not (each costs a SHA-256, as those of a flood do).

#include <benchmark/benchmark.h>

#include <vector>

#include "identity/resolver.h"
#include "micro/world.h"
#include "rpc/codec.h"

namespace quota::bench {
namespace {

constexpr size_t kClients = 1000;

// The checks of batches, which must outlive them.
std::vector<identity::Check> checks_of(const std::vector<std::string>& batches) {
  std::vector<identity::Check> checks;
  for (const std::string& batch : batches) {
    rpc::BatchReader reader(batch);
    identity::Check check;
    while (reader.next(check) == rpc::BatchReader::Step::kCheck) checks.push_back(check);
  }
  return checks;
}

void resolve_all(benchmark::State& state, Who who, size_t clients, size_t cached) {
  World world(kClients);
  const std::vector<std::string> batches = make_batches(who, 50, clients);
  const std::vector<identity::Check> checks = checks_of(batches);
  const auto policy = world.live.get();
  identity::Resolver resolver(world.directory, {.cached_credentials = cached});
  resolver.begin(*policy, 1, read_clocks());
  for (const identity::Check& check : checks) resolver.resolve(check);
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(&resolver.resolve(checks[at]));
    at = at + 1 < checks.size() ? at + 1 : 0;
  }
}

void identity(benchmark::State& state, Who who) { resolve_all(state, who, kClients, 65'536); }
BENCHMARK_CAPTURE(identity, consumer, Who::kConsumer);
BENCHMARK_CAPTURE(identity, api_key, Who::kApiKey);
BENCHMARK_CAPTURE(identity, unknown_key, Who::kUnknownKey);
BENCHMARK_CAPTURE(identity, ipv4, Who::kIpv4);
BENCHMARK_CAPTURE(identity, ipv6, Who::kIpv6);

// Fifty times as many keys as are remembered.
void identity_flood(benchmark::State& state) {
  resolve_all(state, Who::kUnknownKey, 50 * kClients, kClients);
}
BENCHMARK(identity_flood);

}  // namespace
}  // namespace quota::bench
