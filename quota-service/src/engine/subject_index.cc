#include "engine/subject_index.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <vector>

namespace quota::engine {
namespace {

constexpr uint32_t kFirstBits = 9;  // a page of memory

// At most three quarters of the places are taken.
constexpr size_t places_for(size_t entries) { return entries + entries / 3 + 1; }

}  // namespace

void SubjectIndex::Unmap::operator()(Entry* entries) const { munmap(entries, bytes); }

SubjectIndex::SubjectIndex(size_t most) : shift_(32 - kFirstBits) {
  const size_t bytes =
      std::bit_ceil(std::max(places_for(most), size_t{1} << kFirstBits)) * sizeof(Entry);
  // Zeros, and an atomic integer of zero is all zeros.
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // Of a table with few entries a few small pages are needed, not huge ones.
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  entries_ = {static_cast<Entry*>(memory), Unmap{bytes}};
}

void SubjectIndex::put(uint64_t entry) {
  size_t at = home(tag_in(entry));
  while (load(at) != kEmpty) at = next(at);
  store(at, entry);
}

void SubjectIndex::insert(size_t hash, uint32_t slot) {
  if (places_for(size_ + 1) > places()) grow();
  ++size_;
  put(uint64_t{tag_of(hash)} << 32 | (slot + 1));
}

void SubjectIndex::grow() {
  std::vector<uint64_t> all;
  all.reserve(size_);
  for (size_t at = 0; at < places(); ++at) {
    if (const uint64_t entry = load(at); entry != kEmpty) all.push_back(entry);
    store(at, kEmpty);
  }
  shift_.store(shift_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  for (const uint64_t entry : all) put(entry);
}

void SubjectIndex::erase(size_t hash, uint32_t slot) {
  size_t hole = home(tag_of(hash));
  while (slot_in(load(hole)) != slot) hole = next(hole);
  // What comes after it moves up, unless that would put it before its home.
  for (size_t at = next(hole);; at = next(at)) {
    const uint64_t entry = load(at);
    if (entry == kEmpty) break;
    const size_t mask = places() - 1;
    const size_t from_home = (at - home(tag_in(entry))) & mask;
    const size_t from_hole = (at - hole) & mask;
    if (from_home < from_hole) continue;
    store(hole, entry);
    hole = at;
  }
  store(hole, kEmpty);
  --size_;
}

}  // namespace quota::engine
