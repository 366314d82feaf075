// Whole decisions in quotad, from the bytes of a batch to the bytes of its answer, without sockets:
// what is kept of them, by what a client is known, and how many checks come together. 1,000 clients
// in a scattered order; per_check is the time of one. What other threads do with what was kept
// (once in a hundred batches) is part of it.

#include <benchmark/benchmark.h>

#include "micro/world.h"

namespace quota::bench {
namespace {

constexpr size_t kClients = 1000;
constexpr int kChecks = 50;

void decide_loop(benchmark::State& state, Who who, Kept kept, size_t checks) {
  World world(kClients);
  DecideLoop loop(world, kept, make_batches(who, checks, kClients));
  loop.warm_up();
  size_t decided = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(loop.next().data());
    decided += checks;
    if (decided >= 100 * kChecks) {
      loop.tidy();
      decided = 0;
    }
  }
  if (loop.waiting() != 0) state.SkipWithError("a check waited");
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(checks));
  state.counters["per_check"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(checks),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void decide(benchmark::State& state, Kept kept) { decide_loop(state, Who::kApiKey, kept, kChecks); }
BENCHMARK_CAPTURE(decide, nothing_kept, Kept::kNothing);
BENCHMARK_CAPTURE(decide, counters, Kept::kCounters);
BENCHMARK_CAPTURE(decide, usage, Kept::kUsage);
BENCHMARK_CAPTURE(decide, events, Kept::kEvents);
BENCHMARK_CAPTURE(decide, everything_kept, Kept::kAll);

void decide_by(benchmark::State& state, Who who) {
  decide_loop(state, who, Kept::kAll, static_cast<size_t>(state.range(0)));
}
BENCHMARK_CAPTURE(decide_by, consumer, Who::kConsumer)->Arg(1)->Arg(8)->Arg(50)->Arg(256);
BENCHMARK_CAPTURE(decide_by, api_key, Who::kApiKey)->Arg(1)->Arg(8)->Arg(50)->Arg(256);
BENCHMARK_CAPTURE(decide_by, unknown_key, Who::kUnknownKey)->Arg(50);
BENCHMARK_CAPTURE(decide_by, ipv4, Who::kIpv4)->Arg(50);
BENCHMARK_CAPTURE(decide_by, ipv6, Who::kIpv6)->Arg(50);

}  // namespace
}  // namespace quota::bench
