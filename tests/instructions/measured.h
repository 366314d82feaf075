#pragma once

#include <cstddef>

// Only what happens in here is counted: callgrind is told to collect while this is on the stack.
template <typename Loop>
[[gnu::noinline]] void measured_batch(Loop& loop) {
  loop.next();
  asm volatile("" ::: "memory");  // the call above must return to here
}

// Works through so many checks in batches. What other threads would do meanwhile is not counted.
template <typename Loop>
void count_instructions(Loop& loop, size_t checks, size_t batch) {
  for (size_t done = 0; done < checks; done += batch) {
    measured_batch(loop);
    loop.tidy();
  }
}
