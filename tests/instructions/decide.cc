// Decides checks under callgrind, always the same ones: see instructions.py.
//
//   quota_decide_instructions <consumer|api_key|connection> <checks in a batch> <checks>
//
// `connection` is all that quotad does for a batch of checks with API keys besides its system
// calls.

#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "measured.h"
#include "micro/connection.h"
#include "micro/world.h"

// Instead of OpenSSL's, for the secret of the credential cache: chance would put its entries
// elsewhere in each run.
extern "C" int RAND_bytes(unsigned char* bytes, int count) {
  std::memset(bytes, 0x5a, static_cast<size_t>(count));
  return 1;
}

namespace {

constexpr size_t kClients = 1000;

// A wall clock and a monotonic one that go on by 100 µs whenever they are asked.
quota::Now next_time() {
  static quota::Now now{.mono_us = 1'000'000'000, .unix_us = 1'795'167'389'000'000};
  now.mono_us += 100;
  now.unix_us += 100;
  return now;
}

}  // namespace

int main(int argc, char** argv) {
  using quota::bench::Who;
  if (argc != 4) return 2;
  const Who who = std::string_view(argv[1]) == "consumer" ? Who::kConsumer : Who::kApiKey;
  const auto batch = static_cast<size_t>(std::atoi(argv[2]));
  const auto checks = static_cast<size_t>(std::atoi(argv[3]));
  quota::bench::World world(kClients);
  const auto batches = quota::bench::make_batches(who, batch, kClients);
  quota::bench::DecideLoop loop(world, quota::bench::Kept::kAll, batches, {.clock = next_time});
  loop.warm_up();
  if (std::string_view(argv[1]) == "connection") {
    quota::bench::ConnectionLoop connection(loop, batches);
    count_instructions(connection, checks, batch);
    // A verdict has some dozens of bytes: all were answered.
    if (connection.bytes() < 40 * checks) return 1;
  } else {
    count_instructions(loop, checks, batch);
  }
  if (loop.waiting() != 0) {
    std::fprintf(stderr, "%llu checks waited\n", static_cast<unsigned long long>(loop.waiting()));
    return 1;
  }
  return 0;
}
