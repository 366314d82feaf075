#include "policy/faults.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace quota::policy {
namespace {

TEST(Faults, AreToldInTheOrderOfTheFile) {
  Faults faults;
  faults.add({3, 1}, Message::kTabIndent);
  faults.add({1, 9}, Message::kKeyEmpty);
  faults.add({1, 2}, Message::kNotUtf8);
  EXPECT_EQ(faults.report("a.yaml"),
            "a.yaml:1:2: this is not UTF-8 text; save the file as UTF-8\n"
            "a.yaml:1:9: the key file is empty; put the key into it\n"
            "a.yaml:3:1: a tab indents this line; YAML is indented with spaces");
}

TEST(Faults, AreCutShortWhenNobodyWouldReadThemAll) {
  Faults faults;
  for (int line = 1; line <= 500; ++line) faults.add({line, 1}, Message::kTabIndent);
  const std::string report = faults.report("a.yaml");
  EXPECT_EQ(std::count(report.begin(), report.end(), '\n'), 100);
  EXPECT_TRUE(report.ends_with("\na.yaml:101:1: more errors follow; fix the ones above first"));
}

TEST(Faults, TakeNoMoreMemoryThanTheyAreWorth) {
  Faults faults;
  for (int line = 1; line <= 20'000; ++line) faults.add({line, 1}, Message::kTabIndent);
  EXPECT_TRUE(faults.full());
  EXPECT_EQ(faults.list().size(), 10'000u);
}

TEST(Show, EscapesWhatCouldForgeALogLineOrATerminal) {
  EXPECT_EQ(show("a\nb\x1b[31m"), "`a\\nb\\033[31m`");
  EXPECT_EQ(show("größe"), "`größe`");
}

TEST(Show, CutsLongTextsBetweenCharacters) {
  EXPECT_EQ(show(std::string(59, 'x') + "ö" + std::string(9, 'y')),
            "`" + std::string(59, 'x') + "…`");
  EXPECT_EQ(show(std::string(60, 'x')), "`" + std::string(60, 'x') + "`");
}

TEST(Hint, OffersTheNearestOfTheKnown) {
  EXPECT_EQ(hint("brust", {"burst", "mode"}), "did you mean `burst`?");
  EXPECT_EQ(hint("end_points", {"endpoints", "tiers"}), "did you mean `endpoints`?");
  EXPECT_EQ(hint("prp", {"pro", "prop"}), "did you mean `pro`?");
}

TEST(Hint, ListsTheKnownWhenNoneIsNear) {
  EXPECT_EQ(hint("x", {"burst", "mode", "tiers"}), "known are burst, mode and tiers");
  EXPECT_EQ(hint("gold", {"free"}), "only `free` is known");
  EXPECT_EQ(hint(std::string(1 << 20, 'b'), {"burst"}), "only `burst` is known");
}

}  // namespace
}  // namespace quota::policy
