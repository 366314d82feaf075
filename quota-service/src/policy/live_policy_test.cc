#include "policy/live_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace quota::policy {
namespace {

using testing::StartsWith;

class LivePolicyOfAFile : public testing::Test {
 protected:
  void SetUp() override { write("mode: enforce"); }
  void TearDown() override { std::filesystem::remove(path_); }

  // By a rename, as whoever replaces a policy under load should.
  void write(std::string_view yaml) {
    std::ofstream(path_ + ".new") << yaml;
    std::filesystem::rename(path_ + ".new", path_);
  }

  const std::string path_ =
      testing::TempDir() + "live_policy_" + std::to_string(getpid()) + ".yaml";
};

TEST(LivePolicy, IsTheBuiltInOneWithoutAFile) {
  LivePolicy live("");
  ASSERT_TRUE(live.reload().ok());
  EXPECT_EQ(live.get()->source, "built-in");
  EXPECT_EQ(live.get()->default_tier, "free");
}

TEST_F(LivePolicyOfAFile, IsNothingBeforeTheFirstLoad) {
  const LivePolicy live(path_);
  EXPECT_EQ(live.get(), nullptr);
  EXPECT_EQ(live.generation(), 0u);
  EXPECT_EQ(live.path(), path_);
}

TEST_F(LivePolicyOfAFile, IsInForceFromTheFirstGoodLoadOn) {
  LivePolicy live(path_);
  ASSERT_TRUE(live.reload().ok());
  EXPECT_EQ(live.generation(), 1u);
  ASSERT_NE(live.get(), nullptr);
  EXPECT_EQ(live.get()->mode, Mode::kEnforce);
  EXPECT_EQ(live.get()->source, path_);
  EXPECT_EQ(live.stats().loaded, 1u);
}

TEST_F(LivePolicyOfAFile, IsReplacedByANewGoodOne) {
  LivePolicy live(path_);
  ASSERT_TRUE(live.reload().ok());
  const auto old = live.get();
  write("mode: shadow");
  ASSERT_TRUE(live.reload().ok());
  EXPECT_EQ(live.generation(), 2u);
  EXPECT_EQ(live.get()->mode, Mode::kShadow);
  EXPECT_EQ(old->mode, Mode::kEnforce) << "who still reads the old one is not disturbed";
}

TEST_F(LivePolicyOfAFile, IsNotReplacedByAWrongOne) {
  LivePolicy live(path_);
  ASSERT_TRUE(live.reload().ok());
  write("mode: shadwo");
  const absl::Status status = live.reload();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), StartsWith(path_ + ":1:7: "));
  EXPECT_EQ(live.generation(), 1u);
  EXPECT_EQ(live.get()->mode, Mode::kEnforce);
  EXPECT_EQ(live.stats().loaded, 1u);
  EXPECT_EQ(live.stats().rejected, 1u);
  EXPECT_EQ(live.stats().last_error, std::string(status.message()));
}

TEST_F(LivePolicyOfAFile, SurvivesItsFile) {
  LivePolicy live(path_);
  ASSERT_TRUE(live.reload().ok());
  std::filesystem::remove(path_);
  EXPECT_EQ(live.reload().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(live.get()->mode, Mode::kEnforce);
}

TEST_F(LivePolicyOfAFile, ForgetsAnErrorThatWasMended) {
  LivePolicy live(path_);
  write("mode: 5");
  EXPECT_FALSE(live.reload().ok());
  EXPECT_EQ(live.generation(), 0u);
  EXPECT_EQ(live.get(), nullptr);
  write("mode: off");
  EXPECT_TRUE(live.reload().ok());
  EXPECT_EQ(live.generation(), 1u);
  EXPECT_EQ(live.stats().last_error, "");
  EXPECT_EQ(live.stats().rejected, 1u);
}

TEST_F(LivePolicyOfAFile, MayBeReadWhileItIsReplaced) {
  LivePolicy live(path_);
  ASSERT_TRUE(live.reload().ok());
  constexpr uint64_t reloads = 200;
  std::vector<std::thread> readers;
  readers.reserve(3);
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&live] {
      uint64_t seen = 0;
      while (seen <= reloads) {
        const uint64_t generation = live.generation();
        ASSERT_GE(generation, seen);
        ASSERT_NE(live.get(), nullptr);
        seen = generation;
      }
    });
  }
  std::thread other([&live] {
    for (uint64_t i = 0; i < reloads / 2; ++i) EXPECT_TRUE(live.reload().ok());
  });
  for (uint64_t i = 0; i < reloads / 2; ++i) {
    write(i % 2 == 0 ? "mode: shadow" : "mode: enforce");
    EXPECT_TRUE(live.reload().ok());
  }
  other.join();
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(live.stats().loaded, reloads + 1);
  EXPECT_EQ(live.get()->mode, Mode::kEnforce) << "the content written last";
}

}  // namespace
}  // namespace quota::policy
