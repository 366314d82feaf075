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

class OverriddenMode : public LivePolicyOfAFile {
 protected:
  void SetUp() override {
    LivePolicyOfAFile::SetUp();
    ASSERT_TRUE(live_.reload().ok());
  }

  int64_t now_ms_ = 1000;
  LivePolicy live_{path_, [this] { return Now{.mono_us = 0, .unix_us = now_ms_ * 1000}; }};
};

TEST_F(OverriddenMode, IsThatOfThePolicyAtFirst) {
  const LivePolicy::ModeInForce mode = live_.mode();
  EXPECT_EQ(mode.mode, Mode::kEnforce);
  EXPECT_FALSE(mode.is_override);
  EXPECT_EQ(mode.since_unix_ms, 1000);
}

TEST_F(OverriddenMode, MakesANewPolicyThatDiffersInNothingElse) {
  write("default_tier: free\ntiers: {free: {requests_per_minute: 7}}");
  ASSERT_TRUE(live_.reload().ok());
  const auto before = live_.get();
  live_.override_mode(Mode::kShadow, 2000);
  EXPECT_EQ(live_.generation(), 3u);
  EXPECT_EQ(live_.get()->mode, Mode::kShadow);
  EXPECT_EQ(live_.get()->hash, before->hash);
  const Tier* const tier = live_.get()->find_tier("free");
  ASSERT_NE(tier, nullptr);
  EXPECT_NE(tier, before->find_tier("free")) << "each leads to its own";
  EXPECT_EQ(tier->limits.minute, 7 * kMilli);
  EXPECT_EQ(before->mode, Mode::kEnforce) << "who still reads the old one is not disturbed";
  EXPECT_TRUE(live_.mode().is_override);
  EXPECT_EQ(live_.mode().policy_mode, Mode::kEnforce);
  EXPECT_EQ(live_.mode().since_unix_ms, 2000);
  EXPECT_EQ(live_.stats().loaded, 2u) << "nothing was loaded";
}

TEST_F(OverriddenMode, RulesOverEveryReload) {
  live_.override_mode(Mode::kOff, 2000);
  now_ms_ = 3000;
  write("mode: shadow");
  ASSERT_TRUE(live_.reload().ok());
  EXPECT_EQ(live_.get()->mode, Mode::kOff);
  EXPECT_EQ(live_.mode().policy_mode, Mode::kShadow);
  EXPECT_EQ(live_.mode().since_unix_ms, 2000);
  live_.override_mode(std::nullopt, 4000);
  EXPECT_EQ(live_.get()->mode, Mode::kShadow);
  EXPECT_FALSE(live_.mode().is_override);
  EXPECT_EQ(live_.mode().since_unix_ms, 4000);
}

TEST_F(OverriddenMode, MayBeGivenBeforeThereIsAPolicy) {
  LivePolicy live(path_);
  live.override_mode(Mode::kOff, 500);
  EXPECT_EQ(live.generation(), 0u);
  EXPECT_EQ(live.get(), nullptr);
  ASSERT_TRUE(live.reload().ok());
  EXPECT_EQ(live.get()->mode, Mode::kOff);
  EXPECT_EQ(live.mode().since_unix_ms, 500);
}

TEST_F(OverriddenMode, ThatIsDroppedTwiceChangesNothing) {
  live_.override_mode(std::nullopt, 9000);
  EXPECT_EQ(live_.generation(), 1u);
  EXPECT_EQ(live_.mode().since_unix_ms, 1000);
}

TEST_F(OverriddenMode, CountsItsTimeFromAReloadThatChangesIt) {
  now_ms_ = 3000;
  write("mode: enforce  # as before");
  ASSERT_TRUE(live_.reload().ok());
  EXPECT_EQ(live_.mode().since_unix_ms, 1000);
  write("mode: off");
  ASSERT_TRUE(live_.reload().ok());
  EXPECT_EQ(live_.mode().since_unix_ms, 3000);
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
