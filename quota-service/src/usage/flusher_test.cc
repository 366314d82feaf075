#include "usage/flusher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace quota::usage {
namespace {

class MemoryStore final : public UsageStore {
 public:
  void add(Sums more, int64_t unix_us, bool is_last) override {
    for (const auto& [key, amount] : more) sums[key] += amount;
    last_unix_us = unix_us;
    was_last = is_last;
    ++calls;
  }
  absl::StatusOr<Page> read(const Query&) override { return Page{}; }
  absl::Status close() override { return absl::OkStatus(); }
  Stats stats() const override { return {}; }

  Sums sums;
  int64_t last_unix_us = 0;
  bool was_last = false;
  std::atomic<int> calls{0};
};

const Key kAcme = {"acme", "/a", 20'000};

class FlusherTest : public ::testing::Test {
 protected:
  static void count(const std::shared_ptr<Meter>& meter, uint64_t requests) {
    meter->count_late(kAcme, "free", {.requests = requests});
  }

  std::shared_ptr<Meter> one_ = std::make_shared<Meter>();
  std::shared_ptr<Meter> other_ = std::make_shared<Meter>();
  MemoryStore store_;
};

TEST_F(FlusherTest, the_meters_of_all_threads_are_summed) {
  Flusher flusher({one_, other_}, store_);
  count(one_, 3);
  count(other_, 4);
  flusher.flush(17);
  EXPECT_EQ(store_.sums, (Sums{{kAcme, {.requests = 7}}}));
  EXPECT_EQ(store_.last_unix_us, 17);
  count(other_, 5);
  flusher.flush(18);
  EXPECT_EQ(store_.sums, (Sums{{kAcme, {.requests = 12}}}));
}

TEST_F(FlusherTest, the_store_is_called_also_when_there_is_nothing_new) {
  Flusher flusher({one_}, store_);
  flusher.flush(17);
  EXPECT_EQ(store_.calls, 1);
}

TEST_F(FlusherTest, an_observer_sees_every_row_of_the_round) {
  uint64_t seen = 0;
  Flusher flusher({one_, other_}, store_, [&](const Row& row) {
    EXPECT_EQ(row.tier, "free");
    seen += row.amount.requests;
  });
  count(one_, 3);
  count(other_, 4);
  flusher.flush(17);
  EXPECT_EQ(seen, 7u);
  flusher.flush(18);
  EXPECT_EQ(seen, 7u);
}

TEST_F(FlusherTest, the_thread_flushes_and_a_stop_brings_in_the_rest) {
  Flusher flusher({one_}, store_);
  flusher.start();
  count(one_, 1);
  while (store_.calls == 0) std::this_thread::yield();
  count(one_, 2);
  flusher.stop();
  EXPECT_EQ(store_.sums, (Sums{{kAcme, {.requests = 3}}}));
  EXPECT_TRUE(store_.was_last);
}

}  // namespace
}  // namespace quota::usage
