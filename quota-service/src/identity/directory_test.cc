#include "identity/directory.h"

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

TEST(Directory, FindsByIdAndByEachKey) {
  Directory directory;
  directory.put(consumer("acme", {"one", "two"}));
  EXPECT_EQ(directory.find("acme")->id, "acme");
  EXPECT_EQ(directory.find_by_key(sha256("one"))->id, "acme");
  EXPECT_EQ(directory.find_by_key(sha256("two"))->id, "acme");
  EXPECT_FALSE(directory.find("zenith"));
  EXPECT_FALSE(directory.find_by_key(sha256("three")));
}

TEST(Directory, ForgetsTheKeysThatAReplacementDoesNotHave) {
  Directory directory;
  directory.put(consumer("acme", {"one", "two"}, "free"));
  directory.put(consumer("acme", {"two", "three"}, "pro"));
  EXPECT_FALSE(directory.find_by_key(sha256("one")));
  EXPECT_EQ(directory.find_by_key(sha256("two"))->tier, "pro");
  EXPECT_EQ(directory.find_by_key(sha256("three"))->tier, "pro");
}

TEST(Directory, ForgetsARemovedConsumerAndItsKeys) {
  Directory directory;
  directory.put(consumer("acme", {"one"}));
  EXPECT_TRUE(directory.remove("acme"));
  EXPECT_FALSE(directory.remove("acme"));
  EXPECT_FALSE(directory.find("acme"));
  EXPECT_FALSE(directory.find_by_key(sha256("one")));
}

TEST(Directory, AKeyThatMovedStaysWithItsNewOwner) {
  Directory directory;
  directory.put(consumer("acme", {"one"}));
  directory.put(consumer("zenith", {"one"}));
  directory.remove("acme");
  EXPECT_EQ(directory.find_by_key(sha256("one"))->id, "zenith");
}

TEST(Directory, ListsInTheOrderOfIds) {
  Directory directory;
  for (const char* id : {"zenith", "acme", "mid"}) directory.put(consumer(id, {}));
  std::vector<std::string> ids;
  for (const auto& each : directory.list()) ids.push_back(each->id);
  EXPECT_EQ(ids, (std::vector<std::string>{"acme", "mid", "zenith"}));
}

TEST(Directory, EveryChangeAndNothingElseHasANewGeneration) {
  Directory directory;
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

TEST(Directory, MayBeReadWhileItIsChanged) {
  Directory directory;
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
    EXPECT_LE(directory.list().size(), 1u);
  }
  writer.join();
}

}  // namespace
}  // namespace quota::identity
