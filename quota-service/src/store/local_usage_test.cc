#include "store/local_usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "store/faulty_disk.h"
#include "store/test_support.h"
#include "store/usage_store_checks.h"

namespace quota::store {
namespace {

using ::testing::HasSubstr;

const usage::Key kAcme = {"acme", "/a", kSomeDay};

class LocalUsageTest : public ::testing::Test {
 protected:
  LocalUsageTest() : disk_(FaultyDisk::install()) { open(); }
  ~LocalUsageTest() override { disk_.fail_writes_with(SQLITE_OK); }

  void open() {
    store_.reset();
    auto opened = LocalUsage::open(path_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  uint64_t requests() {
    uint64_t sum = 0;
    for (const auto& entry : read_all(*store_, {.month = some_month()}))
      sum += entry.amount.requests;
    return sum;
  }

  FaultyDisk& disk_;
  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("state.db.usage");
  std::unique_ptr<LocalUsage> store_;
};

TEST_F(LocalUsageTest, is_read_by_month_consumer_and_page) { check_reading(*store_); }
TEST_F(LocalUsageTest, takes_many_at_once) { check_many(*store_); }
TEST_F(LocalUsageTest, stops_counting_before_numbers_overflow) { check_bounds(*store_); }

TEST_F(LocalUsageTest, a_later_life_adds_to_what_is_there) {
  add(*store_, {{kAcme, amount(3)}});
  EXPECT_EQ(store_->close(), absl::OkStatus());
  open();
  add(*store_, {{kAcme, amount(4)}});
  EXPECT_EQ(requests(), 7u);
}

TEST_F(LocalUsageTest, what_was_added_survives_kill_9) {
  store_.reset();
  live_and_be_killed([&] {
    auto store = LocalUsage::open(path_);
    add(**store, {{kAcme, amount(3)}});
  });
  open();
  EXPECT_EQ(requests(), 3u);
}

TEST_F(LocalUsageTest, what_cannot_be_written_waits_and_is_added_once) {
  add(*store_, {{kAcme, amount(1)}});
  disk_.fail_writes_with(SQLITE_FULL);
  add(*store_, {{kAcme, amount(2)}, {{"zenith", "/a", kSomeDay}, amount(4)}});
  add(*store_, {{kAcme, amount(8)}});
  EXPECT_EQ(store_->stats().failed, 2u);
  EXPECT_EQ(store_->stats().pending, 2u);
  EXPECT_EQ(requests(), 1u);
  EXPECT_THAT(std::string(store_->close().message()), HasSubstr("2 entries"));
  disk_.fail_writes_with(SQLITE_OK);
  add(*store_, {});
  EXPECT_EQ(store_->stats().written, 2u);
  EXPECT_EQ(store_->stats().pending, 0u);
  EXPECT_EQ(requests(), 15u);
  EXPECT_EQ(store_->close(), absl::OkStatus());
}

TEST_F(LocalUsageTest, nothing_is_written_when_nothing_was_used) {
  add(*store_, {});
  EXPECT_EQ(store_->stats().written, 0u);
}

TEST_F(LocalUsageTest, months_are_kept_for_thirteen_months_and_forgotten_then) {
  const usage::Month oldest = some_month().plus(-usage::kMonthsKept);
  add(*store_, {{{"acme", "/a", oldest.first_day()}, amount(1)},
                {{"acme", "/a", oldest.first_day() - 1}, amount(2)}});
  add(*store_, {});
  EXPECT_EQ(read_all(*store_, {.month = oldest}).size(), 1u);
  EXPECT_EQ(read_all(*store_, {.month = oldest.plus(-1)}).size(), 0u);
  const int64_t next_month_us = some_month().plus(1).first_day() * int64_t{86'400'000'000};
  store_->add({}, next_month_us - 1, false);
  EXPECT_EQ(read_all(*store_, {.month = oldest}).size(), 1u);
  store_->add({}, next_month_us, false);
  EXPECT_EQ(read_all(*store_, {.month = oldest}).size(), 0u);
}

TEST_F(LocalUsageTest, a_foreign_file_is_refused_by_name) {
  const std::string path = directory_.file("other");
  std::ofstream(path) << std::string(4096, 'x');
  EXPECT_THAT(std::string(LocalUsage::open(path).status().message()), HasSubstr(path));
  EXPECT_THAT(std::string(LocalUsage::open(path_).status().message()), HasSubstr("another quotad"));
}

}  // namespace
}  // namespace quota::store
