#include "store/store_conformance.h"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "store/test_support.h"

// Tried, and caught by these tests: giving a grant before it is durable, lowering a mark in
// reserve(), taking an old mark for unspent, settling after the reserves that follow it, keeping
// one mark for all periods, and ignoring the 1/16 rule.
namespace quota::store {
namespace {

using engine::Grant;
using engine::MonthKey;
using engine::Reserve;

constexpr int64_t kMilli = 1000;
constexpr int kThreads = 4;
constexpr int kEach = 500;
const MonthKey kMonth{"c:acme", 20'000};

// One life of a store: a reserve that waits for its grant.
class Life {
 public:
  explicit Life(StoreWorld& world) : world_(world), store_(world.open()) {
    store_->start(&grants_);
  }

  Grant reserve(const Reserve& request) {
    store_->reserve(request);
    return grants_.take_one();
  }
  // What the store says to somebody who knows nothing and wants nothing.
  int64_t used(const MonthKey& month) {
    const Grant grant = reserve({.month = month, .limit = engine::kUnchanged, .used = -1});
    return grant.used + grant.others;
  }
  engine::Store& store() { return *store_; }
  GrantCollector& grants() { return grants_; }
  void stop() { world_.stop(std::move(store_)); }

 private:
  StoreWorld& world_;
  GrantCollector grants_;
  std::unique_ptr<engine::Store> store_;
};

// Memory that a child and its parent see alike, even when the child is killed.
template <typename T>
class Shared {
 public:
  Shared() {
    void* memory =
        mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    value_ = new (memory) T{};
  }
  ~Shared() { munmap(value_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T* operator->() { return value_; }
  T& operator*() { return *value_; }

 private:
  T* value_ = nullptr;
};

TEST_P(StoreConformance, a_month_nobody_knows_begins_with_nothing_used) {
  Life life(*world_);
  const Grant grant = life.reserve({kMonth, 100 * kMilli, kMilli, 4 * kMilli, -1});
  EXPECT_TRUE(grant.ok);
  EXPECT_EQ(grant.month, kMonth);
  EXPECT_EQ(grant.used, 0);
  EXPECT_EQ(grant.mark, 4 * kMilli);
}

TEST_P(StoreConformance, a_grant_covers_the_cost_even_where_that_is_all_that_remains) {
  Life life(*world_);
  EXPECT_EQ(life.reserve({kMonth, 10, 10, 10, 0}).mark, 10);
}

TEST_P(StoreConformance, a_grant_beyond_the_cost_is_at_most_a_sixteenth_of_what_remains) {
  Life life(*world_);
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    const int64_t limit = 1 + static_cast<int64_t>(random() % 1'000'000);
    const int64_t used = static_cast<int64_t>(random() % static_cast<uint64_t>(limit));
    const int64_t cost = 1 + static_cast<int64_t>(random() % 2'000);
    const MonthKey month{"c:" + std::to_string(i), 1};
    const Grant grant = life.reserve({month, limit, cost, 1'000'000'000, used});
    ASSERT_EQ(grant.used, used);
    ASSERT_LE(grant.mark, limit);
    if (used + cost > limit) {
      ASSERT_EQ(grant.mark, used);
    } else {
      ASSERT_GE(grant.mark, used + cost);
      ASSERT_LE(grant.mark, used + std::max(cost, (limit - used) / 16));
    }
  }
}

TEST_P(StoreConformance, a_month_that_does_not_hold_the_cost_is_answered_and_not_touched) {
  Life life(*world_);
  life.store().settle(kMonth, 95);
  const Grant grant = life.reserve({kMonth, 100, 10, 10, -1});
  EXPECT_TRUE(grant.ok);
  EXPECT_EQ(grant.used, 95);
  EXPECT_EQ(grant.mark, 95);
  EXPECT_EQ(life.used(kMonth), 95);
}

TEST_P(StoreConformance, a_mark_of_unknown_spending_counts_as_spent) {
  Life life(*world_);
  const Grant first = life.reserve({kMonth, 16'000, 10, 500, -1});
  const Grant second = life.reserve({kMonth, 16'000, 10, 500, -1});
  EXPECT_EQ(second.used, first.mark);
  EXPECT_GE(second.mark, first.mark + 10);
}

TEST_P(StoreConformance, a_reserve_never_lowers_a_mark) {
  Life life(*world_);
  const Grant high = life.reserve({kMonth, 16'000, 10, 1'000, 0});
  EXPECT_EQ(high.mark, 1'000);
  EXPECT_EQ(life.reserve({kMonth, 16'000, 10, 10, 5}).mark, 1'000);
  EXPECT_EQ(life.used(kMonth), 1'000);
}

TEST_P(StoreConformance, spending_that_ran_ahead_of_the_mark_is_taken_over) {
  Life life(*world_);
  life.reserve({kMonth, 1'000, 10, 10, 0});
  const Grant grant = life.reserve({kMonth, 1'000, 10, 10, 990});
  EXPECT_EQ(grant.used, 990);
  EXPECT_EQ(grant.mark, 1'000);
  const Grant none = life.reserve({kMonth, 1'000, 10, 10, 1'005});
  EXPECT_EQ(none.mark, 1'005);
  EXPECT_EQ(life.used(kMonth), 1'005);
}

TEST_P(StoreConformance, settling_is_exact) {
  Life life(*world_);
  life.reserve({kMonth, 16'000, 10, 1'000, 0});
  life.store().settle(kMonth, 37);
  EXPECT_EQ(life.used(kMonth), 37);
}

TEST_P(StoreConformance, a_reset_month_begins_anew) {
  Life life(*world_);
  life.reserve({kMonth, 16'000, 10, 1'000, 0});
  life.store().settle(kMonth, 37);
  life.store().reset(kMonth);
  EXPECT_EQ(life.used(kMonth), 0);
}

TEST_P(StoreConformance, a_month_nobody_knows_can_be_settled) {
  Life life(*world_);
  life.store().settle(kMonth, 37);
  EXPECT_EQ(life.used(kMonth), 37);
}

TEST_P(StoreConformance, what_is_spent_on_a_count_nobody_saw_is_added_to_it) {
  Life life(*world_);
  const MonthKey other{"c:other", kMonth.period};
  life.store().spend(other, 5);
  EXPECT_EQ(life.used(other), 5);
  life.store().settle(kMonth, 100);
  life.store().spend(kMonth, 7);
  life.store().spend(kMonth, 3);
  EXPECT_EQ(life.used(kMonth), 110);
}

TEST_P(StoreConformance, a_grant_carries_the_number_of_its_request) {
  Life life(*world_);
  EXPECT_EQ(life.reserve({kMonth, 16'000, 10, 50, -1, 77}).seq, 77U);
  EXPECT_EQ(life.reserve({kMonth, 10, 100, 50, -1, 78}).seq, 78U);
}

TEST_P(StoreConformance, calls_take_effect_in_their_order) {
  Life life(*world_);
  life.store().settle(kMonth, 100);
  life.store().reserve({kMonth, 16'000, 10, 50, -1});
  life.store().settle(kMonth, 110);
  life.store().reserve({kMonth, 16'000, 10, 20, -1});
  life.store().reserve({kMonth, 16'000, 10, 30, -1});
  const std::vector<Grant> grants = life.grants().take(3);
  EXPECT_EQ(grants[0].used, 100);
  EXPECT_EQ(grants[0].mark, 150);
  EXPECT_EQ(grants[1].used, 110);
  EXPECT_EQ(grants[1].mark, 130);
  EXPECT_EQ(grants[2].used, 130);
  EXPECT_EQ(grants[2].mark, 160);
}

TEST_P(StoreConformance, periods_of_one_subject_are_separate) {
  Life life(*world_);
  const MonthKey next{kMonth.subject, kMonth.period + 31};
  life.store().settle(kMonth, 100);
  life.store().settle(next, 7);
  EXPECT_EQ(life.used(kMonth), 100);
  EXPECT_EQ(life.used(next), 7);
  EXPECT_EQ(life.used({kMonth.subject, kMonth.period + 62}), 0);
}

TEST_P(StoreConformance, subjects_of_any_bytes_are_separate) {
  using std::string_literals::operator""s;
  const std::vector<std::string> subjects = {"c:acme",
                                             "c:ACME",
                                             "c:acme ",
                                             "c:",
                                             "c:a'; DROP TABLE month",
                                             "c:a\0b"s,
                                             "c:a\0c"s,
                                             "c:\xff\xfe",
                                             "c:snow☃",
                                             "a:\x0a\0\0\1"s,
                                             "a:\x0a\0\0\2"s,
                                             "a:\x20\1\xd\xb8\0\0\0\0"s,
                                             "a:",
                                             std::string("c:") + std::string(4096, 'x')};
  Life life(*world_);
  for (size_t i = 0; i < subjects.size(); ++i) {
    life.store().settle({subjects[i], 1}, static_cast<int64_t>(i) + 1);
  }
  for (size_t i = 0; i < subjects.size(); ++i) {
    EXPECT_EQ(life.used({subjects[i], 1}), static_cast<int64_t>(i) + 1) << subjects[i];
  }
}

TEST_P(StoreConformance, a_lowered_limit_bounds_the_grant_but_not_what_is_remembered) {
  Life life(*world_);
  life.reserve({kMonth, 160'000, 10, 10'000, 0});
  const Grant lowered = life.reserve({kMonth, 500, 10, 10'000, 100});
  EXPECT_LE(lowered.mark, 500);
  EXPECT_GE(lowered.mark, 110);
  EXPECT_GE(life.used(kMonth), 100);
  const Grant above = life.reserve({kMonth, 500, 10, 10'000, 600});
  EXPECT_EQ(above.mark, 600);
  EXPECT_GE(life.reserve({kMonth, 160'000, 10, 100, -1}).mark, 610);
}

TEST_P(StoreConformance, each_of_many_concurrent_reserves_is_answered_once) {
  Life life(*world_);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&life, t] {
      for (int i = 0; i < kEach; ++i) {
        const MonthKey month{"c:" + std::to_string(t * kEach + i), 1};
        life.store().reserve({month, 1'000'000, 1 + t, 1 + t, -1});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> answered;
  for (const Grant& grant : life.grants().take(size_t{kThreads} * kEach)) {
    EXPECT_TRUE(grant.ok);
    const int thread = std::stoi(grant.month.subject.substr(2)) / kEach;
    EXPECT_EQ(grant.mark, 1 + thread);
    EXPECT_TRUE(answered.insert(grant.month.subject).second) << grant.month.subject;
  }
}

TEST_P(StoreConformance, a_clean_stop_forgets_nothing_and_costs_nothing) {
  Life first(*world_);
  first.reserve({kMonth, 160'000, 10, 10'000, 0});
  for (int i = 0; i < 1'000; ++i) first.store().settle({"c:" + std::to_string(i), 1}, i);
  first.store().settle(kMonth, 11);
  first.stop();
  Life second(*world_);
  EXPECT_EQ(second.used(kMonth), 11);
  for (int i = 0; i < 1'000; i += 111) EXPECT_EQ(second.used({"c:" + std::to_string(i), 1}), i);
}

TEST_P(StoreConformance, what_was_granted_is_remembered_after_a_kill) {
  Shared<std::atomic<int64_t>> mark;
  live_and_be_killed([&] {
    Life life(*world_);
    *mark = life.reserve({kMonth, 160'000, 10, 10'000, 0}).mark;
    raise(SIGKILL);
  });
  ASSERT_EQ(*mark, 10'000);
  Life second(*world_);
  EXPECT_EQ(second.used(kMonth), 10'000);
}

TEST_P(StoreConformance, what_was_settled_before_a_grant_is_remembered_after_a_kill) {
  live_and_be_killed([&] {
    Life life(*world_);
    life.reserve({kMonth, 160'000, 10, 10'000, 0});
    life.store().settle(kMonth, 11);
    life.reserve({{"c:other", 1}, 160'000, 10, 10'000, 0});
    raise(SIGKILL);
  });
  Life second(*world_);
  EXPECT_EQ(second.used(kMonth), 11);
}

// Spends months as the engine does: up to the mark and no further, asking for more before the end.
// What is spent is told to the parent as it is spent.
class Spender final : public engine::GrantSink {
 public:
  static constexpr size_t kSubjects = 8;
  static constexpr int64_t kLimit = 60'000;
  static constexpr int64_t kDemand = 500;
  struct Ledger {
    std::array<std::atomic<int64_t>, kSubjects> spent;          // in all lives
    std::array<std::atomic<int64_t>, kSubjects> used_at_birth;  // of this life; -1: not known
    std::atomic<int64_t> steps;
    std::atomic<bool> finished;
  };

  // Rests after `steps`, so that a slow parent does not find the month already at its end.
  Spender(engine::Store& store, Ledger& ledger, int64_t steps)
      : store_(store), ledger_(ledger), rest_at_(ledger.steps + steps) {
    store_.start(this);
    for (size_t i = 0; i < kSubjects; ++i) ask(i, -1);
  }

  static MonthKey month(size_t i) { return {"c:" + std::to_string(i), 20'000}; }
  static int64_t cost(size_t i) { return 1 + static_cast<int64_t>(i) * 3; }

  void on_grants(const std::vector<Grant>& grants, Now) override {
    for (const Grant& grant : grants) {
      const auto i = static_cast<size_t>(std::stoi(grant.month.subject.substr(2)));
      if (ledger_.used_at_birth[i] < 0) ledger_.used_at_birth[i] = grant.used + grant.others;
      if (grant.used + cost(i) > grant.mark) {
        if (++exhausted_ == kSubjects) ledger_.finished = true;
        continue;
      }
      // At least once, and half of what there is.
      const int64_t enough = (grant.used + grant.mark) / 2;
      int64_t used = grant.used;
      do {
        used += cost(i);
        ledger_.spent[i] += cost(i);
        ++ledger_.steps;
      } while (used + cost(i) <= enough);
      if (ledger_.steps < rest_at_) ask(i, used);
    }
  }

 private:
  void ask(size_t i, int64_t used) { store_.reserve({month(i), kLimit, cost(i), kDemand, used}); }

  engine::Store& store_;
  Ledger& ledger_;
  const int64_t rest_at_;
  size_t exhausted_ = 0;
};

TEST_P(StoreConformance, a_kill_at_any_moment_gives_no_more_than_the_month_and_costs_a_sixteenth) {
  Shared<Spender::Ledger> ledger;
  std::mt19937_64 random(testing::UnitTest::GetInstance()->random_seed());
  int kills = 0;
  for (; !ledger->finished && kills < 300; ++kills) {
    std::array<int64_t, Spender::kSubjects> spent_before{};
    std::copy(ledger->spent.begin(), ledger->spent.end(), spent_before.begin());
    for (auto& used : ledger->used_at_birth) used = -1;
    // Anything from the first moments of a life to a good part of the month.
    const int64_t steps = 1 + static_cast<int64_t>(random() % 2'000);
    const int64_t kill_at = ledger->steps + steps;
    const pid_t child = begin_life([&] {
      const std::unique_ptr<engine::Store> store = world_->open();
      const Spender spender(*store, *ledger, 2 * steps);
      for (;;) pause();
    });
    bool alive = true;
    while (alive && ledger->steps < kill_at && !ledger->finished) {
      std::this_thread::yield();
      alive = waitpid(child, nullptr, WNOHANG) == 0;
    }
    ASSERT_TRUE(alive) << "the child ended by itself";
    kill(child, SIGKILL);
    wait_for_death(child);

    Life after(*world_);
    for (size_t i = 0; i < Spender::kSubjects; ++i) {
      const int64_t at_birth = ledger->used_at_birth[i];
      if (at_birth < 0) continue;  // killed before this subject got its first grant
      const int64_t used = at_birth + ledger->spent[i] - spent_before[i];
      const int64_t mark = after.used(Spender::month(i));
      ASSERT_GE(mark, used) << "spending of subject " << i << " was forgotten";
      ASSERT_LE(mark - used, std::max(Spender::cost(i), (Spender::kLimit - at_birth) / 16));
      ASSERT_LE(ledger->spent[i], Spender::kLimit) << "subject " << i << " got more than its month";
    }
    after.stop();
  }
  EXPECT_GT(kills, 10);
  RecordProperty("kills", kills);
}

}  // namespace
}  // namespace quota::store
