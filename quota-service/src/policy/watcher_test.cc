#include "policy/watcher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace quota::policy {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Far longer than anything takes; only a failing test waits for it.
constexpr seconds kDeadline{20};
// How long content must stay the same, as watcher.cc has it.
constexpr std::chrono::milliseconds kSettles{30};
// So slow that nothing is found by polling, and so fast that all is.
constexpr int kSlowPoll = 3'600'000;
constexpr int kFastPoll = 10;

// Counts the calls, and reads the file as a reload would.
class Calls {
 public:
  explicit Calls(fs::path path) : path_(std::move(path)) {}

  void add() {
    std::ifstream file(path_);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    const std::lock_guard lock(mutex_);
    ++count_;
    content_ = content;
    changed_.notify_all();
  }

  bool wait_for_content(const std::string& content) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline, [&] { return content_ == content; });
  }

  int count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  const fs::path path_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
  std::string content_;
};

void write(const fs::path& path, std::string_view content) { std::ofstream(path) << content; }

class WatcherTest : public testing::Test {
 protected:
  WatcherTest()
      : directory_(fs::path(testing::TempDir()) /
                   ("watcher_" + std::to_string(getpid()) + "_" +
                    testing::UnitTest::GetInstance()->current_test_info()->name())),
        path_(directory_ / "policy.yaml"),
        calls_(path_) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    write(path_, "one");
  }
  ~WatcherTest() override { fs::remove_all(directory_); }

  std::unique_ptr<Watcher> watch(int poll_ms, Watcher::Notices notices = Watcher::Notices::kOn) {
    return std::make_unique<Watcher>(
        path_, poll_ms, [this] { calls_.add(); }, notices);
  }

  // Until the file was read `readings` times in all. To be counted from before a change: the
  // watcher may have seen the change by the time the test waits.
  static bool wait_for_readings(const Watcher& watcher, uint64_t readings) {
    const auto deadline = steady_clock::now() + kDeadline;
    while (watcher.readings() < readings) {
      if (steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  // Long enough for any change made before to be read, to settle and to be reported. For a watcher
  // that polls fast.
  static bool let_it_read(const Watcher& watcher) {
    return wait_for_readings(watcher, watcher.readings() + 5);
  }

  const fs::path directory_;
  const fs::path path_;
  Calls calls_;
};

TEST_F(WatcherTest, SeesAFileWrittenInPlace) {
  const auto watcher = watch(kSlowPoll);
  write(path_, "two");
  EXPECT_TRUE(calls_.wait_for_content("two"));
  write(path_, "three");
  EXPECT_TRUE(calls_.wait_for_content("three"));
  EXPECT_EQ(calls_.count(), 2);
}

TEST_F(WatcherTest, SeesAnEditorsRename) {
  const auto watcher = watch(kSlowPoll);
  write(directory_ / ".policy.yaml.swp", "two");
  fs::rename(directory_ / ".policy.yaml.swp", path_);
  EXPECT_TRUE(calls_.wait_for_content("two"));
}

TEST_F(WatcherTest, SeesAnEditorThatMovesTheOldFileAwayFirst) {
  const auto watcher = watch(kSlowPoll);
  fs::rename(path_, directory_ / "policy.yaml~");
  write(path_, "two");
  EXPECT_TRUE(calls_.wait_for_content("two"));
}

// As the kubelet does it: policy.yaml -> ..data/policy.yaml, ..data -> a directory with a date for
// a name, and a new link renamed over ..data.
TEST_F(WatcherTest, SeesTheSwapOfAConfigMap) {
  fs::remove(path_);
  const auto publish = [&](const std::string& date, std::string_view content) {
    fs::create_directory(directory_ / date);
    write(directory_ / date / "policy.yaml", content);
    fs::create_directory_symlink(date, directory_ / "..data_tmp");
    fs::rename(directory_ / "..data_tmp", directory_ / "..data");
  };
  publish("..2024_01_01", "one");
  fs::create_symlink("..data/policy.yaml", path_);

  const auto watcher = watch(kSlowPoll);
  publish("..2024_01_02", "two");
  fs::remove_all(directory_ / "..2024_01_01");
  EXPECT_TRUE(calls_.wait_for_content("two"));
  publish("..2024_01_03", "three");
  fs::remove_all(directory_ / "..2024_01_02");
  EXPECT_TRUE(calls_.wait_for_content("three"));
  EXPECT_EQ(calls_.count(), 2);
}

TEST_F(WatcherTest, SeesAFileComeBackThatWasGone) {
  const auto watcher = watch(kSlowPoll);
  const uint64_t before = watcher->readings();
  fs::remove(path_);
  ASSERT_TRUE(wait_for_readings(*watcher, before + 2));
  EXPECT_EQ(calls_.count(), 0) << "a file that is gone is nothing new to load";
  write(path_, "two");
  EXPECT_TRUE(calls_.wait_for_content("two"));
}

TEST_F(WatcherTest, DoesNotCallForAFileThatComesBackAsItWas) {
  const auto watcher = watch(kFastPoll);
  fs::remove(path_);
  ASSERT_TRUE(let_it_read(*watcher));
  write(path_, "one");
  ASSERT_TRUE(let_it_read(*watcher));
  EXPECT_EQ(calls_.count(), 0);
}

TEST_F(WatcherTest, SeesAFileThatWasNotThereAtFirst) {
  fs::remove(path_);
  const auto watcher = watch(kSlowPoll);
  write(path_, "one");
  EXPECT_TRUE(calls_.wait_for_content("one"));
}

TEST_F(WatcherTest, FollowsTheNameToAnotherDirectory) {
  const auto watcher = watch(kFastPoll);
  fs::rename(directory_, directory_.string() + ".old");
  fs::create_directory(directory_);
  write(path_, "two");
  EXPECT_TRUE(calls_.wait_for_content("two"));
  fs::remove_all(directory_.string() + ".old");
  write(path_, "three");
  EXPECT_TRUE(calls_.wait_for_content("three"));
}

TEST_F(WatcherTest, GetsNoticesFromADirectoryThatReplacedAnother) {
  // The poll is slow: the directory must be found by the notice that the old one is gone.
  const auto watcher = watch(kSlowPoll);
  const fs::path next = directory_.string() + ".next";
  fs::create_directory(next);
  write(next / "policy.yaml", "two");
  // Both at once, so that there is no moment without a directory.
  ASSERT_EQ(renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, directory_.c_str(), RENAME_EXCHANGE), 0);
  EXPECT_TRUE(calls_.wait_for_content("two"));
  fs::remove_all(next);
  write(path_, "three");
  EXPECT_TRUE(calls_.wait_for_content("three"));
}

TEST_F(WatcherTest, DoesNotCallForTheSameContent) {
  const auto watcher = watch(kFastPoll);
  write(path_, "one");
  ASSERT_TRUE(let_it_read(*watcher));
  write(directory_ / "copy", "one");
  fs::rename(directory_ / "copy", path_);
  ASSERT_TRUE(let_it_read(*watcher));
  EXPECT_EQ(calls_.count(), 0);
}

TEST_F(WatcherTest, DoesNotCallForOtherFiles) {
  const auto watcher = watch(kFastPoll);
  write(directory_ / "other.yaml", "two");
  ASSERT_TRUE(let_it_read(*watcher));
  EXPECT_EQ(calls_.count(), 0);
}

TEST_F(WatcherTest, DoesNotCallForAFileThatWasCutToNothing) {
  const auto watcher = watch(kFastPoll);
  std::ofstream file(path_, std::ios::trunc);
  file.flush();
  ASSERT_TRUE(let_it_read(*watcher));
  EXPECT_EQ(calls_.count(), 0);
  file << "two" << std::flush;
  EXPECT_TRUE(calls_.wait_for_content("two"));
}

TEST_F(WatcherTest, WaitsForABurstOfWritesToSettle) {
  const auto watcher = watch(kSlowPoll);
  const auto start = steady_clock::now();
  for (int i = 0; i < 500; ++i) write(path_, "draft " + std::to_string(i));
  write(path_, "final");
  EXPECT_TRUE(calls_.wait_for_content("final"));
  // Each call was for content that did not change for so long.
  EXPECT_LE(calls_.count(), (steady_clock::now() - start) / kSettles + 1);
}

TEST_F(WatcherTest, FindsChangesByReadingAlone) {
  const auto watcher = watch(kFastPoll, Watcher::Notices::kOff);
  write(path_, "two");
  EXPECT_TRUE(calls_.wait_for_content("two"));
  fs::remove(path_);
  ASSERT_TRUE(let_it_read(*watcher));
  write(path_, "three");
  EXPECT_TRUE(calls_.wait_for_content("three"));
  EXPECT_EQ(calls_.count(), 2);
}

TEST_F(WatcherTest, IsQuietWhenNothingHappens) {
  const auto watcher = watch(kSlowPoll);
  uint64_t before = watcher->readings();
  fs::remove_all(directory_);
  ASSERT_TRUE(wait_for_readings(*watcher, before + 2));
  before = watcher->readings();
  // Another one that polls tells the time: 50 readings are half a second.
  const auto clock = watch(kFastPoll);
  ASSERT_TRUE(wait_for_readings(*clock, 50));
  EXPECT_LE(watcher->readings(), before + 1);
}

TEST_F(WatcherTest, StopsAtOnce) {
  const auto start = steady_clock::now();
  watch(kSlowPoll).reset();
  EXPECT_LT(steady_clock::now() - start, kDeadline);
}

TEST_F(WatcherTest, StopsWhileADirectoryIsMissing) {
  fs::remove_all(directory_);
  watch(kFastPoll).reset();
  EXPECT_EQ(calls_.count(), 0);
}

}  // namespace
}  // namespace quota::policy
