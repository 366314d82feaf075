#include "batches.h"

#include <gtest/gtest.h>

#include <protozero/pbf_reader.hpp>

namespace quota {
namespace {

Check check_of(uint64_t id, std::string_view path = "/") { return {id, "GET", path, {}, {}}; }

size_t count_checks(const std::string& message) {
  protozero::pbf_reader reader{message.data() + 5, message.size() - 5};
  size_t count = 0;
  for (; reader.next(1); ++count) reader.skip();
  return count;
}

size_t framed_length(const std::string& message) {
  size_t length = 0;
  for (size_t i = 1; i < 5; ++i) length = length << 8 | static_cast<uint8_t>(message[i]);
  return length;
}

TEST(Batches, AreEmptyAtFirst) { EXPECT_TRUE(Batches().empty()); }

TEST(Batches, ComeFramedWithTheirLength) {
  Batches batches;
  batches.append(check_of(1, std::string(70'000, 'x')));
  batches.append(check_of(2));
  std::string message;
  batches.take(&message);
  EXPECT_EQ(message[0], 0);
  EXPECT_EQ(framed_length(message), message.size() - 5);
  EXPECT_EQ(count_checks(message), 2u);
  EXPECT_TRUE(batches.empty());
}

TEST(Batches, DoNotShowWhatWasTakenBefore) {
  Batches batches;
  std::string message = "something that was sent before";
  for (uint64_t id = 1; id <= 3; ++id) {
    batches.append(check_of(id));
    batches.take(&message);
    EXPECT_EQ(count_checks(message), 1u);
    EXPECT_EQ(framed_length(message), message.size() - 5);
  }
}

TEST(Batches, LeaveTheRestToTheNextWhenThereAreTooManyChecks) {
  Batches batches;
  for (uint64_t id = 0; id < 2 * Batches::kMaxChecks + 1; ++id) batches.append(check_of(id));
  std::string message;
  batches.take(&message);
  EXPECT_EQ(count_checks(message), Batches::kMaxChecks);
  batches.take(&message);
  EXPECT_EQ(count_checks(message), Batches::kMaxChecks);
  EXPECT_FALSE(batches.empty());
  batches.take(&message);
  EXPECT_EQ(count_checks(message), 1u);
  EXPECT_TRUE(batches.empty());
}

TEST(Batches, StayFarBelowWhatTheSidecarTakes) {
  Batches batches;
  const std::string path(16 * 1024, 'x');
  for (uint64_t id = 0; id < 200; ++id) batches.append(check_of(id, path));
  size_t checks = 0;
  while (!batches.empty()) {
    std::string message;
    batches.take(&message);
    EXPECT_LE(message.size(), Batches::kMaxBytes + 20'000);
    checks += count_checks(message);
  }
  EXPECT_EQ(checks, 200u);
}

TEST(Batches, ForgetEverythingWhenCleared) {
  Batches batches;
  for (uint64_t id = 0; id < Batches::kMaxChecks + 1; ++id) batches.append(check_of(id));
  batches.clear();
  EXPECT_TRUE(batches.empty());
  batches.append(check_of(1));
  std::string message;
  batches.take(&message);
  EXPECT_EQ(count_checks(message), 1u);
}

}  // namespace
}  // namespace quota
