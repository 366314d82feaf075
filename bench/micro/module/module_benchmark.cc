// The module's part of a request, without nginx: writing checks, reading verdicts, the text of the
// response headers, and all of it together with the gRPC stream around it, batch by batch.

#include <benchmark/benchmark.h>

#include <vector>

#include "micro/module/world.h"

namespace quota::bench {
namespace {

// Nanoseconds for one of the checks in the benchmark's batches.
void set_counters(benchmark::State& state) {
  const auto checks = static_cast<double>(state.iterations() * state.range(0));
  state.counters["per_check"] =
      benchmark::Counter(checks, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void module_write(benchmark::State& state) {
  const ModuleCheck check(7);
  Batches batches;
  std::string message;
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) {
      batches.append(check.get(uint64_t{1} << 32 | static_cast<uint64_t>(i)));
    }
    batches.take(&message);
    benchmark::DoNotOptimize(message.data());
  }
  set_counters(state);
}
BENCHMARK(module_write)->Arg(1)->Arg(8)->Arg(50)->Arg(256);

void module_read(benchmark::State& state) {
  const std::string response = make_response(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    decode_response(response, [](const Verdict& verdict) { benchmark::DoNotOptimize(verdict); });
  }
  set_counters(state);
}
BENCHMARK(module_read)->Arg(1)->Arg(8)->Arg(50)->Arg(256);

void module_headers(benchmark::State& state) {
  const std::string response = make_response(1);
  Verdict verdict;
  decode_response(response, [&](const Verdict& found) { verdict = found; });
  for (auto _ : state) {
    benchmark::DoNotOptimize(verdict);
    benchmark::DoNotOptimize(write_headers(verdict, 1'795'167'389'000));
  }
}
BENCHMARK(module_headers);

void module_all(benchmark::State& state) {
  ModuleLoop loop(static_cast<size_t>(state.range(0)));
  int left = 64;
  for (auto _ : state) {
    loop.next();
    if (--left == 0) {
      loop.tidy();
      left = 64;
    }
  }
  set_counters(state);
}
BENCHMARK(module_all)->Arg(1)->Arg(8)->Arg(50)->Arg(256);

}  // namespace
}  // namespace quota::bench
