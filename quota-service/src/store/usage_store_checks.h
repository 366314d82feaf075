#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "redis/test_servers.h"
#include "usage/usage_store.h"

// What every store of usage must do alike; for tests.
namespace quota::store {

inline constexpr int32_t kSomeDay = 20'777;  // 2026-11-20
inline constexpr int64_t kSomeTimeUs = kSomeDay * int64_t{86'400'000'000};

inline usage::Month some_month() { return usage::Month::of_day(kSomeDay); }

inline usage::Amount amount(uint64_t requests, uint64_t cost_milli = 0, uint64_t denials = 0) {
  return {.requests = requests, .denials = denials, .cost_milli = cost_milli};
}

// All pages, one after the other.
inline std::vector<usage::Entry> read_all(usage::UsageStore& store, usage::Query query) {
  std::vector<usage::Entry> entries;
  for (int pages = 0; pages < 10'000; ++pages) {
    const auto page = store.read(query);
    if (!page.ok()) {
      ADD_FAILURE() << page.status();
      break;
    }
    entries.insert(entries.end(), page->entries.begin(), page->entries.end());
    if (!page->next) return entries;
    query.after = page->next;
  }
  ADD_FAILURE() << "the pages never end";
  return entries;
}

inline void add(usage::UsageStore& store, usage::Sums sums) {
  store.add(std::move(sums), kSomeTimeUs, true);
}

// Tried again until all of it is there: a Redis on a slow disk may take longer than a round waits.
inline void bring_in(usage::UsageStore& store, usage::Sums sums) {
  add(store, std::move(sums));
  EXPECT_TRUE(redis::testing::eventually([&] {
    if (store.stats().pending > 0) add(store, {});
    return store.stats().pending == 0;
  }));
}

inline void check_reading(usage::UsageStore& store) {
  using usage::Entry;
  const int32_t first = some_month().first_day();
  const int32_t last = some_month().plus(1).first_day() - 1;
  bring_in(store, {{{"", "/a", first}, amount(1)},
                   {{"acme", "/a", first - 1}, amount(100)},
                   {{"acme", "/a", first}, amount(2, 2000, 1)},
                   {{"acme", "/a", last}, amount(3, 1500)},
                   {{"acme", "/b", last}, amount(4)},
                   {{"acme", "/a", last + 1}, amount(100)},
                   {{"b{race}", "GET /a b:c\n", last}, amount(5)},
                   {{"zenith", "default", first}, amount(6)}});
  bring_in(store, {{{"acme", "/a", first}, amount(10, 500, 10)}});

  const std::vector<Entry> by_day = {{{"", "/a", first}, amount(1)},
                                     {{"acme", "/a", first}, amount(12, 2500, 11)},
                                     {{"acme", "/a", last}, amount(3, 1500)},
                                     {{"acme", "/b", last}, amount(4)},
                                     {{"b{race}", "GET /a b:c\n", last}, amount(5)},
                                     {{"zenith", "default", first}, amount(6)}};
  const std::vector<Entry> by_month = {{{"", "/a", first}, amount(1)},
                                       {{"acme", "/a", first}, amount(15, 4000, 11)},
                                       {{"acme", "/b", first}, amount(4)},
                                       {{"b{race}", "GET /a b:c\n", first}, amount(5)},
                                       {{"zenith", "default", first}, amount(6)}};
  for (const size_t limit : {1, 2, 3, 4, 5, 6, 100}) {
    EXPECT_EQ(read_all(store, {.month = some_month(), .by_day = true, .limit = limit}), by_day);
    EXPECT_EQ(read_all(store, {.month = some_month(), .limit = limit}), by_month);
  }
  // A page ends with the consumer that fills it, and says whether there is more.
  auto page = store.read({.month = some_month(), .by_day = true, .limit = 2});
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->entries.size(), 4u);
  EXPECT_EQ(page->next, "acme");
  page = store.read({.month = some_month(), .limit = 5});
  EXPECT_EQ(page->next, std::nullopt);
  page = store.read({.month = some_month(), .limit = 1});
  EXPECT_EQ(page->next, "");

  const auto only = [&](std::string consumer) {
    return read_all(store, {.month = some_month(), .consumer = std::move(consumer), .limit = 1});
  };
  EXPECT_EQ(only("acme"), std::vector<Entry>(by_month.begin() + 1, by_month.begin() + 3));
  EXPECT_EQ(only(""), std::vector<Entry>(by_month.begin(), by_month.begin() + 1));
  EXPECT_TRUE(only("acm").empty());
  EXPECT_TRUE(
      read_all(store, {.month = some_month(), .consumer = "acme", .after = "acme"}).empty());
  EXPECT_EQ(read_all(store, {.month = some_month().plus(1)}).size(), 1u);
  EXPECT_TRUE(read_all(store, {.month = some_month().plus(2)}).empty());
}

// Many at once: more than one batch, more than one page.
inline void check_many(usage::UsageStore& store) {
  usage::Sums sums;
  for (int i = 0; i < 3000; ++i) {
    sums[{"c" + std::to_string(10'000 + i), "/a", kSomeDay}] = amount(1, 1000);
    sums[{"c" + std::to_string(10'000 + i), "/b", kSomeDay}] = amount(2, 1000);
  }
  bring_in(store, sums);
  bring_in(store, sums);
  const auto entries = read_all(store, {.month = some_month()});
  ASSERT_EQ(entries.size(), 6000u);
  EXPECT_TRUE(std::ranges::is_sorted(entries, {}, &usage::Entry::key));
  uint64_t requests = 0;
  for (const usage::Entry& entry : entries) requests += entry.amount.requests;
  EXPECT_EQ(requests, 3000u * 6);
}

inline void check_bounds(usage::UsageStore& store) {
  const usage::Key key = {"acme", "/a", kSomeDay};
  for (int i = 0; i < 3; ++i) {
    bring_in(store, {{key, amount(usage::kMostCounted - 1, UINT64_MAX, 1)}});
  }
  const auto entries = read_all(store, {.month = some_month(), .by_day = true});
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].amount, amount(usage::kMostCounted, usage::kMostCounted, 3));
}

}  // namespace quota::store
