#include "redis/key_slot.h"

#include <gtest/gtest.h>

#include "redis/slot_map.h"

namespace quota::redis {
namespace {

TEST(KeySlot, IsWhatTheServersReckon) {
  // The check value of CRC-16/XMODEM is 0x31C3.
  EXPECT_EQ(key_slot("123456789"), 0x31C3 % kSlots);
  EXPECT_EQ(key_slot(""), 0);
  EXPECT_EQ(key_slot("foo"), 12182);
  EXPECT_EQ(key_slot("\xff\xfe"), key_slot(std::string_view("\xff\xfe", 2)));
}

TEST(KeySlot, GoesByTheFirstBracesThatHoldSomething) {
  EXPECT_EQ(key_slot("{user}.a"), key_slot("user"));
  EXPECT_EQ(key_slot("x{user}{other}"), key_slot("user"));
  EXPECT_EQ(key_slot("{{user}}"), key_slot("{user"));
  EXPECT_NE(key_slot("{}user"), key_slot("user"));
  EXPECT_NE(key_slot("{}a"), key_slot("{}b"));
  EXPECT_NE(key_slot("{user"), key_slot("user"));
}

TEST(Redirection, IsReadWithWhateverHostTheServerGives) {
  const Address asked{"10.0.0.1", 7000};
  EXPECT_EQ(parse_redirection("MOVED 3999 10.0.0.2:6381", asked)->to, (Address{"10.0.0.2", 6381}));
  EXPECT_EQ(parse_redirection("MOVED 3999 10.0.0.2:6381", asked)->slot, 3999);
  EXPECT_EQ(parse_redirection("ASK 1 ::1:6381", asked)->to, (Address{"::1", 6381}));
  EXPECT_EQ(parse_redirection("MOVED 1 :6381", asked)->to, (Address{"10.0.0.1", 6381}));
  for (const char* nonsense :
       {"MOVED", "MOVED 1", "MOVED 1 host", "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED x a:1",
        "MOVED 1 a:0", "MOVED 1 a:x", "MOVED 1 ?:6381", "MOVED a:1", ""}) {
    EXPECT_FALSE(parse_redirection(nonsense, asked)) << nonsense;
  }
}

}  // namespace
}  // namespace quota::redis
