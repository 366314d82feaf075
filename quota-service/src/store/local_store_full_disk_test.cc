#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>

#include "store/local_store.h"
#include "store/test_support.h"

namespace quota::store {
namespace {

using engine::Grant;

constexpr int kPassed = 0;
constexpr int kFailed = 1;
constexpr int kCannotMount = 77;

// Writes zeros to a new file until there is no room for one byte more.
void fill_disk(const std::string& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string zeros(4096, '\0');
  for (size_t size = zeros.size(); size > 0;) {
    if (write(file, zeros.data(), size) < 0) size /= 2;
  }
  close(file);
}

#define REQUIRE_IN_CHILD(condition)                                \
  do {                                                             \
    if (!(condition)) {                                            \
      std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
      _exit(kFailed);                                              \
    }                                                              \
  } while (false)

void write_proc(const char* path, const std::string& text) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, text.data(), text.size()) < 0) _exit(kCannotMount);
  close(file);
}

// Lets this process mount what only it sees. Root may do so; others become root of a user
// namespace.
void leave_shared_mounts() {
  if (unshare(CLONE_NEWNS) == 0) return;
  const std::string user = std::to_string(getuid());
  const std::string group = std::to_string(getgid());
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) _exit(kCannotMount);
  write_proc("/proc/self/uid_map", "0 " + user + " 1");
  write_proc("/proc/self/setgroups", "deny");
  write_proc("/proc/self/gid_map", "0 " + group + " 1");
}

// In a process of its own, on a disk of 1 MB.
void use_small_disk(const std::string& directory) {
  leave_shared_mounts();
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=1m") != 0) {
    _exit(kCannotMount);
  }
  const std::string path = directory + "/state.db";
  const std::string ballast = directory + "/ballast";
  const engine::MonthKey first{"c:first", 1};

  std::atomic<int64_t> mono_us = 1'000'000;
  LocalStoreOptions options;
  options.clock = [&mono_us] { return Now{.mono_us = mono_us, .unix_us = 0}; };
  auto opened = LocalStore::open(path, options);
  REQUIRE_IN_CHILD(opened.ok());
  LocalStore& store = **opened;
  GrantCollector grants;
  store.start(&grants);
  store.reserve({first, 160'000, 10, 10'000, -1});
  REQUIRE_IN_CHILD(grants.take_one().mark == 10'000);

  fill_disk(ballast);
  int64_t subject = 0;
  Grant grant;
  do {
    store.reserve({{"c:" + std::to_string(subject++), 1}, 160'000, 10, 10'000, -1});
    grant = grants.take_one();
  } while (grant.ok && subject < 100'000);
  REQUIRE_IN_CHILD(!grant.ok);
  REQUIRE_IN_CHILD(!store.healthy());
  store.settle(first, 11);
  mono_us += 250'000;
  REQUIRE_IN_CHILD(*store.month_mark(first) == 10'000);  // tried again, in vain
  REQUIRE_IN_CHILD(!store.healthy());

  REQUIRE_IN_CHILD(unlink(ballast.c_str()) == 0);
  mono_us += 250'000;
  while (!store.healthy()) REQUIRE_IN_CHILD(store.month_mark(first).ok());
  REQUIRE_IN_CHILD(*store.month_mark(first) == 11);
  REQUIRE_IN_CHILD(store.close({}).ok());
  // Whatever was granted on the way to the full disk has survived it.
  auto reopened = LocalStore::open(path);
  REQUIRE_IN_CHILD(reopened.ok());
  for (int64_t i = 0; i + 1 < subject; ++i) {
    REQUIRE_IN_CHILD(*(*reopened)->month_mark({"c:" + std::to_string(i), 1}) == 10'000);
  }
  _exit(kPassed);
}

TEST(LocalStoreFullDiskTest, a_full_disk_degrades_and_a_freed_one_recovers) {
  const TemporaryDirectory directory;
  const pid_t child = fork();
  if (child == 0) use_small_disk(directory.path().string());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == kCannotMount) GTEST_SKIP() << "may not mount a small disk here";
  EXPECT_EQ(WEXITSTATUS(status), kPassed);
}

}  // namespace
}  // namespace quota::store
