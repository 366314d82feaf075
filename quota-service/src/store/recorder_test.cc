#include "store/recorder.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/faulty_disk.h"
#include "store/test_support.h"

// Tried, and caught by these tests: trying again at once, losing what was settled meanwhile,
// keeping its first value instead of the last, believing in recovery too soon, passing on the
// grants of a failed transaction, forgetting months at once or a month too early.
namespace quota::store {
namespace {

using engine::Grant;
using engine::MonthKey;
using engine::Reserve;
using testing::ElementsAre;
using testing::HasSubstr;

const MonthKey kMonth{"c:acme", 20'000};
constexpr int64_t kDayUs = 86'400'000'000;

class RecorderTest : public testing::Test {
 protected:
  RecorderTest() : disk_(FaultyDisk::install()) {
    auto logger = std::make_shared<spdlog::logger>("test", log_);
    logger->set_pattern("%l %v");
    old_logger_ = spdlog::default_logger();
    spdlog::set_default_logger(std::move(logger));
    open();
  }
  ~RecorderTest() override {
    disk_.fail_writes_with(SQLITE_OK);
    spdlog::set_default_logger(old_logger_);
  }

  void open() {
    recorder_.reset();
    file_.reset();
    file_ = *StateFile::open(path_);
    recorder_.emplace(*file_);
  }

  std::vector<Grant> carry_out(const std::vector<Request>& requests) {
    return recorder_->carry_out(requests, now_);
  }
  Grant reserve(int64_t used = -1) {
    return carry_out({Reserve{kMonth, 16'000, 10, 500, used}}).front();
  }
  int64_t mark(const MonthKey& month = kMonth) { return *recorder_->mark(month); }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("state.db");
  FaultyDisk& disk_;
  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> log_ =
      std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(100);
  std::shared_ptr<spdlog::logger> old_logger_;
  Now now_{.mono_us = 1'000'000, .unix_us = 20'000 * kDayUs};
  std::unique_ptr<StateFile> file_;
  std::optional<Recorder> recorder_;
};

TEST_F(RecorderTest, a_full_disk_grants_nothing_and_does_not_move_the_mark) {
  reserve();
  disk_.fail_writes_with(SQLITE_FULL);
  const std::vector<Grant> grants = carry_out(
      {Reserve{kMonth, 16'000, 10, 500, 400}, Reserve{{"c:other", 1}, 16'000, 10, 500, -1}});
  ASSERT_EQ(grants.size(), 2U);
  EXPECT_FALSE(grants[0].ok);
  EXPECT_EQ(grants[0].month, kMonth);
  EXPECT_FALSE(grants[1].ok);
  EXPECT_FALSE(recorder_->healthy());
  EXPECT_EQ(mark(), 500);
}

TEST_F(RecorderTest, an_input_output_error_is_handled_alike) {
  disk_.fail_writes_with(SQLITE_IOERR_WRITE);
  EXPECT_FALSE(reserve().ok);
  EXPECT_FALSE(recorder_->healthy());
}

TEST_F(RecorderTest, the_disk_is_tried_again_once_in_a_quarter_of_a_second) {
  disk_.fail_writes_with(SQLITE_FULL);
  reserve();
  const int writes = disk_.failed_writes();
  for (int i = 0; i < 100; ++i) {
    now_.mono_us += 2'400;  // 240 ms in all
    EXPECT_FALSE(reserve().ok);
    recorder_->tend(now_);
  }
  EXPECT_EQ(disk_.failed_writes(), writes);
  EXPECT_EQ(recorder_->tend(now_), 10'000);
  now_.mono_us += 10'000;
  EXPECT_FALSE(reserve().ok);
  EXPECT_GT(disk_.failed_writes(), writes);
  EXPECT_EQ(recorder_->stats().failures, 2U);
  EXPECT_EQ(recorder_->stats().refused, 102U);
}

TEST_F(RecorderTest, it_recovers_by_itself_when_nobody_asks) {
  disk_.fail_writes_with(SQLITE_FULL);
  reserve();
  disk_.fail_writes_with(SQLITE_OK);
  now_.mono_us += recorder_->tend(now_);
  recorder_->tend(now_);
  EXPECT_TRUE(recorder_->healthy());
  EXPECT_TRUE(reserve().ok);
  EXPECT_EQ(*file_->database().integer("SELECT count(*) FROM room"), 0);
}

TEST_F(RecorderTest, a_disk_with_little_room_still_counts_as_full) {
  disk_.fail_writes_with(SQLITE_FULL);
  reserve();
  disk_.fail_writes_after(40'000, SQLITE_FULL);
  now_.mono_us += Recorder::kRetryUs;
  recorder_->tend(now_);
  EXPECT_FALSE(recorder_->healthy());
}

TEST_F(RecorderTest, settles_of_a_full_disk_are_written_when_there_is_room) {
  carry_out({Settle{kMonth, 100}, Settle{{"c:b", 1}, 200}});
  disk_.fail_writes_with(SQLITE_FULL);
  carry_out({Settle{kMonth, 150}, Settle{{"c:b", 1}, 250}});
  carry_out({Settle{kMonth, 160}});
  carry_out({Settle{kMonth, 170}});
  EXPECT_EQ(recorder_->stats().unwritten, 2U);
  EXPECT_EQ(mark(), 100);
  disk_.fail_writes_with(SQLITE_OK);
  now_.mono_us += Recorder::kRetryUs;
  // The settles come first, so a reserve that asks for the month sees them.
  EXPECT_EQ(reserve().used, 170);
  EXPECT_EQ(mark({"c:b", 1}), 250);
  EXPECT_EQ(recorder_->stats().unwritten, 0U);
}

TEST_F(RecorderTest, what_is_spent_on_a_count_nobody_saw_is_added_even_if_the_disk_was_full) {
  carry_out({Settle{kMonth, 500}});
  carry_out({Spend{kMonth, 7}});
  EXPECT_EQ(mark(), 507);
  disk_.fail_writes_with(SQLITE_FULL);
  const MonthKey settled{"c:settled", 20'000};
  carry_out({Spend{kMonth, 3}, Spend{kMonth, 2}, Settle{settled, 40}, Spend{settled, 1}});
  disk_.fail_writes_with(SQLITE_OK);
  ASSERT_TRUE(recorder_->flush(now_).ok());
  EXPECT_EQ(mark(), 512);
  EXPECT_EQ(mark(settled), 41);
}

TEST_F(RecorderTest, every_grant_says_which_request_it_answers) {
  EXPECT_EQ(carry_out({Reserve{kMonth, 16'000, 10, 500, -1, 77}}).front().seq, 77U);
  disk_.fail_writes_with(SQLITE_FULL);
  EXPECT_EQ(carry_out({Reserve{kMonth, 16'000, 10, 900, 500, 78}}).front().seq, 78U);
}

TEST_F(RecorderTest, what_could_not_be_settled_is_flushed_at_the_stop) {
  disk_.fail_writes_with(SQLITE_FULL);
  carry_out({Settle{kMonth, 150}});
  EXPECT_THAT(std::string(recorder_->flush(now_).message()), HasSubstr("database or disk is full"));
  disk_.fail_writes_with(SQLITE_OK);
  EXPECT_TRUE(recorder_->flush(now_).ok());
  open();
  EXPECT_EQ(mark(), 150);
}

TEST_F(RecorderTest, each_change_of_health_is_one_line_in_the_log) {
  disk_.fail_writes_with(SQLITE_FULL);
  for (int i = 0; i < 20; ++i) {
    reserve();
    now_.mono_us += 100'000;
  }
  disk_.fail_writes_with(SQLITE_OK);
  now_.mono_us += 100'000;
  for (int i = 0; i < 20; ++i) reserve();
  std::vector<std::string> lines = log_->last_formatted();
  for (std::string& line : lines) line.pop_back();  // its line end
  EXPECT_THAT(lines,
              ElementsAre("error store: cannot write " + path_ +
                              ": database or disk is full; nothing more is reserved until "
                              "writing works again",
                          "info store: " + path_ +
                              " can be written again after 2.1 s; nothing that was counted is "
                              "lost"));
}

TEST_F(RecorderTest, months_are_forgotten_after_fourteen_months_and_not_before) {
  const MonthKey old{"c:old", 20'000 - 435};
  const MonthKey kept{"c:kept", 20'000 - 434};
  std::vector<Request> requests = {Settle{kept, 2}, Settle{kMonth, 3}};
  for (int i = 0; i < 1'200; ++i) {
    requests.emplace_back(Settle{{"c:" + std::to_string(i), old.period}, 1});
  }
  carry_out(requests);
  EXPECT_EQ(recorder_->tend(now_), 3'600'000'000);  // not in the first hour
  now_.mono_us += 3'600'000'000;
  int pieces = 1;
  while (recorder_->tend(now_) == 0) ++pieces;
  EXPECT_EQ(pieces, 3);
  EXPECT_EQ(*file_->database().integer("SELECT count(*) FROM month"), 2);
  EXPECT_EQ(mark(kept), 2);
}

}  // namespace
}  // namespace quota::store
