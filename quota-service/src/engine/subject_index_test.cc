#include "engine/subject_index.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/subject_table.h"

namespace quota::engine {
namespace {

size_t spread(uint64_t i) { return Engine::hash_of(std::to_string(i)); }

uint32_t find(const SubjectIndex& index, size_t hash, uint32_t slot) {
  return index.find(hash, [&](uint32_t found) { return found == slot; });
}

TEST(SubjectIndex, FindsEachOfAsManyAsItWasMadeFor) {
  constexpr uint32_t kMost = 10'000;
  SubjectIndex index(kMost);
  for (uint32_t i = 0; i < kMost; ++i) index.insert(spread(i), i);
  uint32_t hinted = 0;
  for (uint32_t i = 0; i < kMost; ++i) {
    ASSERT_EQ(find(index, spread(i), i), i);
    hinted += index.hint(spread(i)) == i;
  }
  EXPECT_GT(hinted, kMost / 100 * 99);
  EXPECT_EQ(find(index, spread(kMost), kMost), SubjectIndex::kNone);
}

TEST(SubjectIndex, TellsApartWhoHasTheSameHash) {
  SubjectIndex index(10);
  for (uint32_t i = 0; i < 3; ++i) index.insert(7, i);
  EXPECT_EQ(find(index, 7, 2), 2u);
  index.erase(7, 1);
  EXPECT_EQ(find(index, 7, 1), SubjectIndex::kNone);
  EXPECT_EQ(find(index, 7, 2), 2u);
}

RC_GTEST_PROP(SubjectIndex, HoldsWhatAMapHolds, ()) {
  // Many share a place, also the last one, from where it goes on at the first.
  const auto hash = rc::gen::map(rc::gen::inRange<uint32_t>(0, 24), [](uint32_t i) {
    return size_t{0xffff'fff0} + i % 8 + (i / 8 % 2 == 0 ? 0 : size_t{0x8000'0000}) +
           (i / 16 == 0 ? 0 : 8 - 0xffff'fff0);
  });
  SubjectIndex index(1000);
  std::map<uint32_t, size_t> model;
  uint32_t next = 0;
  const int steps = *rc::gen::inRange(0, 900);
  for (int i = 0; i < steps; ++i) {
    if (model.empty() || *rc::gen::inRange(0, 4) > 0) {
      const size_t chosen = *hash;
      index.insert(chosen, next);
      model[next++] = chosen;
    } else {
      const auto it = std::next(model.begin(), *rc::gen::inRange<int>(0, model.size()));
      index.erase(it->second, it->first);
      model.erase(it);
    }
  }
  RC_ASSERT(index.size() == model.size());
  for (uint32_t slot = 0; slot < next; ++slot) {
    const auto it = model.find(slot);
    if (it == model.end()) {
      for (const auto& [other, its] : model) RC_ASSERT(find(index, its, slot) != slot);
    } else {
      RC_ASSERT(find(index, it->second, slot) == slot);
    }
  }
}

TEST(Record, ItsPartsDoNotWriteOverEachOther) {
  Record record;
  record.seen_s = 0xffff'ffff;
  record.live = record.waited_for = true;
  record.key = "c:acme";
  Bucket full;
  full.advance(1, 60'000, 1500);
  full.take(1000);
  full.advance(2, 60'000, 1500);
  record.bucket = full;
  record.bucket = Bucket{};
  record.bucket.advance(1, 1000, 1500);
  record.month = Month{};
  record.month = Month{.used = 5, .period = 7, .billing_day = 31, .loaded = true};
  record.month.overdue = true;
  EXPECT_EQ(record.seen_s, 0xffff'ffff);
  EXPECT_TRUE(record.live);
  EXPECT_TRUE(record.waited_for);
  EXPECT_EQ(record.key, "c:acme");
  const Bucket copy = record.bucket;
  record.seen_s = 0;
  record.live = record.waited_for = false;
  EXPECT_EQ(record.bucket.level(), copy.level());
  EXPECT_TRUE(record.month.loaded);
  EXPECT_TRUE(record.month.overdue);
  EXPECT_EQ(record.month.billing_day, 31);
}

// Says nothing by itself but under a sanitizer: the table grows, and chunks are added, while others
// look at it without a lock.
TEST(SubjectTable, MayBePrefetchedWhileItChanges) {
  constexpr uint64_t kMost = 20'000;
  SubjectTable table(kMost);
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      for (uint64_t at = 0; !done; ++at) {
        table.prefetch_index(spread(at % kMost));
        table.prefetch_record(spread(at % kMost));
      }
    });
  }
  for (int round = 0; round < 2; ++round) {
    for (uint64_t i = 0; i < kMost; ++i) table.insert(std::to_string(i), spread(i));
    EXPECT_TRUE(table.full());
    for (uint64_t i = 0; i < kMost; ++i) {
      Record* const record = table.find(std::to_string(i), spread(i));
      ASSERT_NE(record, nullptr);
      ASSERT_EQ(record->key, std::to_string(i));
      table.erase(*record);
    }
    EXPECT_EQ(table.size(), 0u);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace quota::engine
