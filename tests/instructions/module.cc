// Does the module's part of requests under callgrind, always of the same ones: see instructions.py.
//
//   quota_module_instructions <checks in a batch> <checks>

#include <cstdlib>

#include "measured.h"
#include "micro/module/world.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto batch = static_cast<size_t>(std::atoi(argv[1]));
  const auto checks = static_cast<size_t>(std::atoi(argv[2]));
  quota::bench::ModuleLoop loop(batch);
  for (int i = 0; i < 10; ++i) loop.next();
  count_instructions(loop, checks, batch);
  return loop.verdicts() == checks + 10 * batch ? 0 : 1;
}
