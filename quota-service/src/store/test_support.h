#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/store.h"

// What the tests of stores share.
namespace quota::store {

// A directory that is gone after the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "quota-store-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// Keeps every grant and lets a test wait for them.
class GrantCollector final : public engine::GrantSink {
 public:
  void on_grants(const std::vector<engine::Grant>& grants, Now) override {
    const std::lock_guard lock(mutex_);
    grants_.insert(grants_.end(), grants.begin(), grants.end());
    arrived_.notify_all();
  }

  // The next `count` grants in the order in which they came.
  std::vector<engine::Grant> take(size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return grants_.size() >= count; });
    std::vector<engine::Grant> taken(grants_.begin(), grants_.begin() + static_cast<long>(count));
    grants_.erase(grants_.begin(), grants_.begin() + static_cast<long>(count));
    return taken;
  }

  engine::Grant take_one() { return take(1).front(); }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<engine::Grant> grants_;
};

// Keeps every grant, and counts how often the store may have lost what it was told.
class ResetCounter final : public engine::GrantSink {
 public:
  void on_grants(const std::vector<engine::Grant>& grants, Now now) override {
    collector.on_grants(grants, now);
  }
  void on_store_reset() override { ++resets; }

  GrantCollector collector;
  std::atomic<int> resets{0};
};

// Starts `life` in a process of its own. The process dies by SIGKILL when `life` returns, if not
// before, so that nothing is tidied up.
inline pid_t begin_life(const std::function<void()>& life) {
  const pid_t child = fork();
  if (child != 0) return child;
  life();
  raise(SIGKILL);
  _exit(1);
}

inline void wait_for_death(pid_t child) {
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "the child ended by itself with status " << status;
}

inline void live_and_be_killed(const std::function<void()>& life) {
  wait_for_death(begin_life(life));
}

}  // namespace quota::store
