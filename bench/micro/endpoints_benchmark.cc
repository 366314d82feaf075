// What it costs: the endpoint rule of a request, by the number of rules, whether they are exact
// paths or prefixes, and which one matches.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "policy/endpoints.h"

namespace quota::bench {
namespace {

enum class Hit { kFirst, kLast, kNone };

std::string path_of(size_t rule) { return "/api/v1/resource-" + std::to_string(rule) + "/items"; }

void match(benchmark::State& state, bool prefix, Hit hit) {
  const auto count = static_cast<size_t>(state.range(0));
  std::vector<policy::EndpointRule> rules;
  for (size_t i = 0; i < count; ++i) {
    const std::string path = path_of(i) + (prefix ? "/" : "");
    rules.push_back({.name = path, .method = {}, .path = path, .prefix = prefix, .cost = 1000});
  }
  const policy::Endpoints endpoints(std::move(rules), 1000);
  std::string path = path_of(hit == Hit::kFirst ? 0 : hit == Hit::kLast ? count - 1 : count);
  if (prefix) path += "/4711";
  for (auto _ : state) {
    benchmark::DoNotOptimize(path.data());
    benchmark::DoNotOptimize(&endpoints.match("GET", path));
  }
}
BENCHMARK_CAPTURE(match, exact_first, false, Hit::kFirst)->Arg(10)->Arg(100)->Arg(1000);
BENCHMARK_CAPTURE(match, exact_last, false, Hit::kLast)->Arg(10)->Arg(100)->Arg(1000);
BENCHMARK_CAPTURE(match, exact_none, false, Hit::kNone)->Arg(10)->Arg(100)->Arg(1000);
BENCHMARK_CAPTURE(match, prefix_first, true, Hit::kFirst)->Arg(10)->Arg(100)->Arg(1000);
BENCHMARK_CAPTURE(match, prefix_last, true, Hit::kLast)->Arg(10)->Arg(100)->Arg(1000);
BENCHMARK_CAPTURE(match, prefix_none, true, Hit::kNone)->Arg(10)->Arg(100)->Arg(1000);

}  // namespace
}  // namespace quota::bench
