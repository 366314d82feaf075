// Reading a batch of checks and writing its verdicts, with nothing decided in between. Time is for
// the batch, per_check for one of them.

#include <benchmark/benchmark.h>

#include "micro/world.h"
#include "rpc/codec.h"

namespace quota::bench {
namespace {

engine::Decision decision() {
  engine::Decision decision;
  decision.minute = {.limit = 1'000'000,
                     .remaining = 999'000,
                     .reset_unix_us = 1'795'167'389'000'000,
                     .window_s = 60};
  decision.month = {.limit = 1'000'000'000,
                    .remaining = 987'654'000,
                    .reset_unix_us = 1'796'083'200'000'000,
                    .window_s = 2'592'000};
  return decision;
}

void set_counters(benchmark::State& state) {
  const auto checks = static_cast<double>(state.iterations() * state.range(0));
  state.counters["per_check"] =
      benchmark::Counter(checks, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void codec_read(benchmark::State& state) {
  const auto batch = make_batches(Who::kApiKey, static_cast<size_t>(state.range(0)), 1).front();
  identity::Check check;
  for (auto _ : state) {
    rpc::BatchReader reader(batch);
    while (reader.next(check) == rpc::BatchReader::Step::kCheck) {
      benchmark::DoNotOptimize(check.api_key.data());
    }
  }
  set_counters(state);
}
BENCHMARK(codec_read)->Arg(1)->Arg(8)->Arg(50)->Arg(256);

void codec_write(benchmark::State& state) {
  const engine::Decision decided = decision();
  const std::string consumer = consumer_id(1);
  std::string out;
  for (auto _ : state) {
    out.clear();
    for (int64_t i = 0; i < state.range(0); ++i) {
      rpc::append_batch_verdict(out,
                                {.id = uint64_t{1} << 32 | static_cast<uint64_t>(i),
                                 .consumer = consumer,
                                 .tier = "pro",
                                 .endpoint = "/identify",
                                 .cost_milli = 1000},
                                decided);
    }
    rpc::append_ack(out);
    benchmark::DoNotOptimize(out.data());
  }
  set_counters(state);
}
BENCHMARK(codec_write)->Arg(1)->Arg(8)->Arg(50)->Arg(256);

}  // namespace
}  // namespace quota::bench
