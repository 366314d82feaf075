// A decision in the engine alone: the subject found, minute and month charged. By the number of
// subjects (10,000,000 of them take some 2 GB; --benchmark_filter=-10000000 leaves them out), by
// how they are chosen, the length of their names, and the number of threads. "bytes" is the heap
// that a subject takes. What is asked for lies in memory in that order, so the memory waited for is
// the engine's own. In groups, memory is fetched ahead for 16 decisions, as for the checks of a
// batch; otherwise each decision is by itself.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <memory>
#include <string>
#include <string_view>

#include "micro/world.h"
#include "micro/zipf.h"

namespace quota::bench {
namespace {

constexpr size_t kRequests = size_t{1} << 21;  // until they repeat
constexpr size_t kShort = 14;                  // "c:" and a short id: no memory of its own
constexpr size_t kLong = 38;                   // "c:" and a UUID
constexpr int kBatch = 48;                     // decisions for which the time stands still
constexpr size_t kGroup = 16;                  // decisions that memory is fetched for together

enum Choice { kUniform, kZipf };

// Writes the subject's key of `length` characters.
void write_key(size_t subject, size_t length, char* to) {
  to[0] = 'c';
  to[1] = ':';
  uint64_t digits = Random(subject).next();
  for (size_t i = 2; i < length; ++i) {
    to[i] = "0123456789abcdef"[digits & 15];
    digits = digits >> 4 | digits << 60;
  }
}

engine::Charge charge_of(std::string_view subject) {
  return {.subject = subject,
          .anonymous = false,
          .limits = {.minute = 1'000'000'000'000, .month = 100'000'000'000'000'000},
          .burst_milli = 1500,
          .billing_day = 1,
          .cost = 1000};
}

size_t heap_in_use() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

struct Population : EngineWorld {
  Population(size_t count, size_t length) : EngineWorld(count), subjects(count), key_size(length) {
    const size_t before = heap_in_use();
    std::string key(key_size, '\0');
    for (size_t i = 0; i < subjects; ++i) {
      write_key(i, key_size, key.data());
      ask(key);
      if (i % 1000 == 0 || i + 1 == subjects) store.answer(now);
    }
    bytes = static_cast<double>(heap_in_use() - before) / static_cast<double>(subjects);
  }

  bool ask(std::string_view key) {
    struct Nobody final : engine::Waiter {
      engine::Charge wanted;
      const engine::Charge& charge() const override { return wanted; }
      void decided(const engine::Decision&) override {}
    };
    const engine::Charge charge = charge_of(key);
    engine::Decision decision;
    return engine.decide(charge, now, decision, [&] {
      auto waiter = std::make_unique<Nobody>();
      waiter->wanted = charge;
      waiter->wanted.subject = {};
      return waiter;
    });
  }

  void choose(Choice choice) {
    keys.resize(kRequests * key_size);
    Random random(42);
    const Zipf zipf(choice == kZipf ? subjects : 1);
    for (size_t i = 0; i < kRequests; ++i) {
      // Whoever is busy came at any time: ranks are spread over all subjects by a factor that
      // shares none with their number.
      const size_t subject =
          choice == kZipf ? zipf.next(random) * 7'368'787 % subjects : random.below(subjects);
      write_key(subject, key_size, keys.data() + i * key_size);
    }
  }
  std::string_view key(size_t request) const {
    return {keys.data() + request * key_size, key_size};
  }

  const size_t subjects;
  const size_t key_size;
  double bytes = 0;
  Now now{.mono_us = 1'000'000'000, .unix_us = 1'795'000'000'000'000};
  std::string keys;
};

// The last one made: benchmarks of one size follow each other, and 10,000,000 are made once.
std::unique_ptr<Population>& population() {
  static std::unique_ptr<Population> made;
  return made;
}

template <Choice kChoice, size_t kKeySize = kShort>
void populate(const benchmark::State& state) {
  const auto subjects = static_cast<size_t>(state.range(0));
  std::unique_ptr<Population>& made = population();
  if (made == nullptr || made->subjects != subjects || made->key_size != kKeySize) {
    made.reset();
    made = std::make_unique<Population>(subjects, kKeySize);
  }
  made->choose(kChoice);
}

// Decides whatever comes next, `group` at a time.
template <size_t group>
void run(benchmark::State& state) {
  Population* world = nullptr;
  size_t at = 0;
  size_t decided = 0;
  engine::Decision decision;
  engine::Charge charges[group];
  Now now;
  bool waited = false;
  for (auto _ : state) {
    if (world == nullptr) [[unlikely]] {
      world = population().get();
      now = world->now;
      at = kRequests / static_cast<size_t>(state.threads()) *
           static_cast<size_t>(state.thread_index());
    }
    for (engine::Charge& charge : charges) {
      charge = charge_of(world->key(at));
      at = at + 1 < kRequests ? at + 1 : 0;
      if (group == 1) continue;
      charge.hash = engine::Engine::hash_of(charge.subject);
      world->engine.prefetch_index(charge);
    }
    if (group > 1) {
      for (const engine::Charge& charge : charges) world->engine.prefetch_record(charge);
    }
    for (const engine::Charge& charge : charges) {
      waited |= !world->engine.decide(charge, now, decision,
                                      [] { return std::unique_ptr<engine::Waiter>(); });
      benchmark::DoNotOptimize(decision);
    }
    decided += group;
    if (decided >= kBatch) {
      decided = 0;
      now.mono_us += 10;
      now.unix_us += 10;
    }
  }
  if (waited) state.SkipWithError("a check waited");
  const auto checks = state.iterations() * static_cast<int64_t>(group);
  state.SetItemsProcessed(checks);
  state.counters["per_check"] = benchmark::Counter(
      static_cast<double>(checks), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes"] = benchmark::Counter(world->bytes, benchmark::Counter::kAvgThreads);
}

void engine_uniform(benchmark::State& state) { run<1>(state); }
void engine_zipf(benchmark::State& state) { run<1>(state); }
void engine_uuid(benchmark::State& state) { run<1>(state); }
void engine_group_uniform(benchmark::State& state) { run<kGroup>(state); }
void engine_group_zipf(benchmark::State& state) { run<kGroup>(state); }
void engine_group_uuid(benchmark::State& state) { run<kGroup>(state); }

BENCHMARK(engine_uniform)->Setup(populate<kUniform>)->Arg(1000)->Arg(100'000);
BENCHMARK(engine_group_uniform)->Setup(populate<kUniform>)->Arg(1000)->Arg(100'000);
BENCHMARK(engine_zipf)->Setup(populate<kZipf>)->Arg(1000)->Arg(100'000);
BENCHMARK(engine_group_zipf)->Setup(populate<kZipf>)->Arg(1000)->Arg(100'000);
BENCHMARK(engine_uuid)->Setup(populate<kUniform, kLong>)->Arg(1'000'000);
BENCHMARK(engine_group_uuid)->Setup(populate<kUniform, kLong>)->Arg(1'000'000);
BENCHMARK(engine_group_uniform)->Setup(populate<kUniform>)->Arg(1'000'000);
BENCHMARK(engine_uniform)
    ->Setup(populate<kUniform>)
    ->Arg(1'000'000)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();
BENCHMARK(engine_group_zipf)->Setup(populate<kZipf>)->Arg(1'000'000);
BENCHMARK(engine_zipf)
    ->Setup(populate<kZipf>)
    ->Arg(1'000'000)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();
BENCHMARK(engine_uniform)->Setup(populate<kUniform>)->Arg(10'000'000);
BENCHMARK(engine_group_uniform)->Setup(populate<kUniform>)->Arg(10'000'000);
BENCHMARK(engine_zipf)->Setup(populate<kZipf>)->Arg(10'000'000);
BENCHMARK(engine_group_zipf)->Setup(populate<kZipf>)->Arg(10'000'000);

}  // namespace
}  // namespace quota::bench
