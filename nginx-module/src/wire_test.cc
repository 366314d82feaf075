#include <gtest/gtest.h>

#include <algorithm>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <random>
#include <string>
#include <vector>

#include "wire_reader.h"
#include "wire_writer.h"

// Against protozero, which others wrote.
namespace quota {
namespace {

// Both sides of every length a number can have.
std::vector<uint64_t> edges() {
  std::vector<uint64_t> values{0, 1, 1'763'668'800'123, UINT64_MAX};
  for (unsigned bit = 1; bit < 64; ++bit) {
    values.push_back((uint64_t{1} << bit) - 1);
    values.push_back(uint64_t{1} << bit);
  }
  return values;
}

TEST(WireWriter, WritesEachNumberAsShortAsItCanBe) {
  for (const uint64_t value : edges()) {
    std::string expected = "before";
    protozero::pbf_writer(expected).add_uint64(3, value);
    std::string written = "before";
    WireWriter(written, WireWriter::kMostOfAField).number(3, value);
    EXPECT_EQ(written, expected) << value;
  }
}

TEST(WireWriter, MakesRoomForTheLengthOfALongMessage) {
  for (const size_t size : {0UL, 1UL, 127UL, 128UL, 16'381UL, 16'384UL, 2'097'152UL}) {
    const std::string body(size, 'x');
    std::string expected;
    {
      protozero::pbf_writer outer(expected);
      protozero::pbf_writer(outer, 1).add_bytes(2, body);
      outer.add_uint64(3, 4);
    }
    std::string written;
    {
      WireWriter writer(written, size + 3 * WireWriter::kMostOfAField);
      {
        const WireWriter::Nested message(writer, 1);
        writer.bytes(2, body);
      }
      writer.number(3, 4);
    }
    EXPECT_EQ(written, expected) << size;
  }
}

TEST(WireReader, ReadsEachNumber) {
  for (const uint64_t value : edges()) {
    std::string message;
    protozero::pbf_writer(message).add_uint64(3, value);
    // Alone, and where more follows, which is read another way.
    for (const std::string& more : {std::string(), std::string("\x1A\x06higher")}) {
      const std::string longer = message + more;
      WireReader reader(longer);
      ASSERT_TRUE(reader.next());
      EXPECT_EQ(reader.key(), wire_key(3, WireType::kVarint));
      EXPECT_EQ(reader.number(), value);
      EXPECT_EQ(reader.rest(), more) << value;
      EXPECT_TRUE(reader.ok());
    }
  }
}

// What a reader makes of a message: keys and values, or nothing when it is malformed.
using Fields = std::vector<std::pair<uint32_t, std::string>>;

bool read(const std::string& message, Fields& fields) {
  WireReader reader(message);
  while (reader.next()) {
    const uint32_t key = reader.key();
    switch (static_cast<WireType>(key & 7)) {
      case WireType::kVarint:
        fields.emplace_back(key, std::to_string(reader.number()));
        break;
      case WireType::kBytes:
        fields.emplace_back(key, reader.bytes());
        break;
      default:
        reader.skip();
        fields.emplace_back(key, "");
    }
  }
  return reader.ok();
}

bool read_by_protozero(const std::string& message, Fields& fields) {
  try {
    protozero::pbf_reader reader(message);
    while (reader.next()) {
      const auto key = static_cast<uint32_t>(reader.tag_and_type());
      switch (reader.wire_type()) {
        case protozero::pbf_wire_type::varint:
          fields.emplace_back(key, std::to_string(reader.get_uint64()));
          break;
        case protozero::pbf_wire_type::length_delimited:
          fields.emplace_back(key, reader.get_bytes());
          break;
        default:
          reader.skip();
          fields.emplace_back(key, "");
      }
    }
    return true;
  } catch (const protozero::exception&) {
    return false;
  }
}

// Field numbers that protozero refuses because protobuf keeps them for itself.
bool is_reserved(uint32_t key) { return key >> 3 >= 19'000 && key >> 3 <= 19'999; }

// Only then can a key be above 32 bits, of which protozero drops the upper ones.
bool has_long_number(const std::string& message) {
  int high = 0;
  for (const char c : message) {
    high = static_cast<uint8_t>(c) < 0x80 ? 0 : high + 1;
    if (high == 4) return true;
  }
  return false;
}

// Short garbage, half of it with bytes that are likely to be tags and lengths. In memory of its
// own, so that a sanitizer sees a read beyond it.
TEST(WireReader, TakesAndRefusesWhatProtozeroDoes) {
  std::mt19937 random(1);
  int taken = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string message(random() % 24, '\0');
    for (char& c : message) {
      c = static_cast<char>(round % 2 == 0      ? random()
                            : random() % 4 == 0 ? random() % 256
                                                : random() % 32);
    }
    message.shrink_to_fit();
    Fields ours;
    Fields theirs;
    const bool ok = read(message, ours);
    const bool ok_there = read_by_protozero(message, theirs);
    if (ok != ok_there) {
      const bool is_ours_right =
          ok ? std::any_of(ours.begin(), ours.end(),
                           [](const auto& field) { return is_reserved(field.first); })
             : has_long_number(message);
      ASSERT_TRUE(is_ours_right) << testing::PrintToString(message);
    } else if (ok) {
      ASSERT_EQ(ours, theirs) << testing::PrintToString(message);
      taken += message.empty() ? 0 : 1;
    }
  }
  EXPECT_GT(taken, 1000) << "garbage that nobody takes shows little";
}

}  // namespace
}  // namespace quota
