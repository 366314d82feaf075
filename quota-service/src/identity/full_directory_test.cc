#include "identity/full_directory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "identity/test_policy.h"

namespace quota::identity {
namespace {

policy::Consumer consumer(std::string id, const std::vector<std::string>& keys,
                          std::string tier = "") {
  return test::consumer(std::move(id), std::move(tier), keys);
}

TEST(FullDirectory, FindsByIdAndByEachKey) {
  FullDirectory directory;
  directory.put(consumer("acme", {"one", "two"}));
  EXPECT_EQ(directory.find("acme")->id, "acme");
  EXPECT_EQ(directory.find_by_key(sha256("one"))->id, "acme");
  EXPECT_EQ(directory.find_by_key(sha256("two"))->id, "acme");
  EXPECT_FALSE(directory.find("zenith"));
  EXPECT_FALSE(directory.find_by_key(sha256("three")));
}

TEST(FullDirectory, ForgetsTheKeysThatAReplacementDoesNotHave) {
  FullDirectory directory;
  directory.put(consumer("acme", {"one", "two"}, "free"));
  directory.put(consumer("acme", {"two", "three"}, "pro"));
  EXPECT_FALSE(directory.find_by_key(sha256("one")));
  EXPECT_EQ(directory.find_by_key(sha256("two"))->tier, "pro");
  EXPECT_EQ(directory.find_by_key(sha256("three"))->tier, "pro");
}

TEST(FullDirectory, ForgetsARemovedConsumerAndItsKeys) {
  FullDirectory directory;
  directory.put(consumer("acme", {"one"}));
  EXPECT_TRUE(directory.remove("acme"));
  EXPECT_FALSE(directory.remove("acme"));
  EXPECT_FALSE(directory.find("acme"));
  EXPECT_FALSE(directory.find_by_key(sha256("one")));
}

TEST(FullDirectory, AKeyThatMovedStaysWithItsNewOwner) {
  FullDirectory directory;
  directory.put(consumer("acme", {"one"}));
  directory.put(consumer("zenith", {"one"}));
  directory.remove("acme");
  EXPECT_EQ(directory.find_by_key(sha256("one"))->id, "zenith");
}

TEST(FullDirectory, EveryChangeAndNothingElseHasANewGeneration) {
  FullDirectory directory;
  const uint64_t empty = directory.generation();
  directory.put(consumer("acme", {}));
  const uint64_t one = directory.generation();
  EXPECT_NE(one, empty);
  directory.remove("nobody");
  directory.find("acme");
  EXPECT_EQ(directory.generation(), one);
  directory.remove("acme");
  EXPECT_NE(directory.generation(), one);
}

TEST(FullDirectory, MayBeReadWhileItIsChanged) {
  FullDirectory directory;
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 2000; ++i) {
      directory.put(consumer("acme", {"one"}));
      directory.remove("acme");
    }
    done = true;
  });
  while (!done) {
    if (const auto found = directory.find_by_key(sha256("one"))) {
      EXPECT_EQ(found->id, "acme");
    }
  }
  writer.join();
}

}  // namespace
}  // namespace quota::identity
