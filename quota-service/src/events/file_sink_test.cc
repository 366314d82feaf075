#include "events/file_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "telemetry/logging.h"

namespace quota::events {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

class FileSinkTest : public ::testing::Test {
 protected:
  FileSinkTest() { std::filesystem::create_directory(directory_); }
  ~FileSinkTest() override { std::filesystem::remove_all(directory_); }

  static std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  const std::string directory_ = testing::TempDir() + "file_sink_" + std::to_string(getpid());
  const std::string path_ = directory_ + "/events.jsonl";
};

TEST_F(FileSinkTest, AppendsOneLineForEachEvent) {
  std::ofstream(path_) << "before\n";
  FileSink sink({.path = path_});
  sink.write({"a", "b"});
  sink.write({"c"});
  EXPECT_EQ(content(path_), "before\na\nb\nc\n");
  EXPECT_EQ(sink.stats().written, 3U);
}

TEST_F(FileSinkTest, OthersMayNotReadIt) {
  const mode_t mask = umask(0);
  FileSink sink({.path = path_});
  sink.write({"a"});
  umask(mask);
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640U);
}

TEST_F(FileSinkTest, MovesAFullFileAsideAndKeepsOne) {
  FileSink sink({.path = path_, .most_bytes = 4});
  for (const char* event : {"1", "2", "3", "4", "5"}) sink.write({event});
  EXPECT_EQ(content(path_), "5\n");
  EXPECT_EQ(content(path_ + ".1"), "3\n4\n");
  EXPECT_EQ(sink.stats().written, 5U);
}

TEST_F(FileSinkTest, MakesAnewAFileThatWasMovedAway) {
  FileSink sink({.path = path_});
  sink.write({"a"});
  std::filesystem::rename(path_, path_ + ".moved");
  sink.write({"b"});
  std::filesystem::remove(path_);
  sink.write({"c"});
  EXPECT_EQ(content(path_ + ".moved"), "a\n");
  EXPECT_EQ(content(path_), "c\n");
}

TEST_F(FileSinkTest, CountsWhatAFullDiskDoesNotTakeAndSaysSoOnce) {
  FileSink sink({.path = "/dev/full"});
  telemetry::set_up_logging("info", "text");
  CaptureStderr();
  for (int i = 0; i < 5; ++i) sink.write({"a", "b"});
  const std::string log = GetCapturedStderr();
  EXPECT_EQ(sink.stats().failed, 10U);
  EXPECT_EQ(sink.stats().written, 0U);
  EXPECT_EQ(std::ranges::count(log, '\n'), 1);
  EXPECT_THAT(log, HasSubstr("No space left"));
}

// A file may not grow beyond a bound for a while, as on a disk that is nearly full.
TEST_F(FileSinkTest, GoesOnWithAWholeLineWhenThereIsRoomAgain) {
  FileSink sink({.path = path_});
  sink.write({"first"});
  std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit before {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 12;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  sink.write({"12", "cut off", "not at all"});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  sink.write({"last"});
  EXPECT_EQ(content(path_), "first\n12\ncut\nlast\n");
  EXPECT_EQ(sink.stats().written, 3U);
  EXPECT_EQ(sink.stats().failed, 2U);
}

TEST_F(FileSinkTest, GoesOnBehindALineThatAnEarlierLifeDidNotFinish) {
  std::ofstream(path_) << "torn";
  FileSink sink({.path = path_});
  sink.write({"a"});
  EXPECT_EQ(content(path_), "torn\na\n");
}

TEST_F(FileSinkTest, WritesAgainWhenItsFolderIsThere) {
  const std::string path = directory_ + "/later/events.jsonl";
  FileSink sink({.path = path});
  EXPECT_THAT(std::string(sink.open().message()),
              HasSubstr("events_file: cannot write to " + path + ": No such file"));
  sink.write({"a"});
  EXPECT_EQ(sink.stats().failed, 1U);
  std::filesystem::create_directory(directory_ + "/later");
  sink.write({"b"});
  EXPECT_EQ(content(path), "b\n");
}

TEST_F(FileSinkTest, APipeThatNobodyReadsHoldsUpNothing) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  FileSink sink({.path = path_});
  sink.write({"a"});
  EXPECT_EQ(sink.stats().failed, 1U);
}

}  // namespace
}  // namespace quota::events
