// The minute bucket by itself: a refill and a take, at the same moment and some time later, and how
// long until it is full.

#include <benchmark/benchmark.h>

#include "engine/bucket.h"

namespace quota::bench {
namespace {

constexpr int64_t kLimit = 60'000'000;  // milli: a thousand a second
constexpr int64_t kBurst = 1500;

void bucket_take(benchmark::State& state) {
  const int64_t step_us = state.range(0);
  engine::Bucket bucket;
  int64_t now_us = 1'000'000;
  for (auto _ : state) {
    bucket.advance(now_us, kLimit, kBurst);
    bucket.take(1000);
    benchmark::DoNotOptimize(bucket);
    now_us += step_us;
  }
}
BENCHMARK(bucket_take)->Arg(0)->Arg(900);

void bucket_wait(benchmark::State& state) {
  engine::Bucket bucket;
  bucket.advance(1'000'000, kLimit, kBurst);
  bucket.take(12'345'000);
  for (auto _ : state) {
    benchmark::DoNotOptimize(bucket);
    benchmark::DoNotOptimize(bucket.wait_us(kLimit));
  }
}
BENCHMARK(bucket_wait);

}  // namespace
}  // namespace quota::bench
