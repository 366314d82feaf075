#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "cli/admin_client.h"
#include "cli/amounts.h"
#include "cli/api_key.h"
#include "cli/exit_code.h"
#include "cli/facts.h"
#include "cli/secrets.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace quota::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string write(const std::string& name, const std::string& text) {
  std::string path = ::testing::TempDir() + name;
  std::ofstream(path) << text;
  return path;
}

TEST(Table, AlignsColumnsWithoutSpacesAtTheEnd) {
  Table table({"ID", "TIER"});
  table.add({"acme-corporation", "pro"});
  table.add({"bé", "free"});
  EXPECT_EQ(table.to_string(),
            "ID                TIER\n"
            "acme-corporation  pro\n"
            "bé                free\n");
}

TEST(Table, KeepsATerminalFromBeingSteered) {
  Table table;
  table.add({"a\x1b[2Jb\nc"});
  EXPECT_EQ(table.to_string(), "a?[2Jb?c\n");
}

TEST(Terminal, ShowsWhatFits) {
  EXPECT_EQ(fitted("abcdef\nghi\njkl\n", 2, 4), "abcd\nghi\n");
  EXPECT_EQ(fitted("äöüß\n", 5, 2), "äö\n") << "characters, not bytes";
  EXPECT_EQ(fitted("", 5, 5), "");
}

TEST(ApiKey, HasAPrefixAndFortyThreeCharacters) {
  EXPECT_THAT(*generate_api_key(), MatchesRegex("qg_[0-9A-Za-z]{43}"));
}

TEST(ApiKey, NoTwoAreTheSame) {
  std::set<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.insert(*generate_api_key());
  EXPECT_EQ(keys.size(), 1000U);
}

TEST(ApiKey, BytesThatWouldFavourSomeCharactersAreLeftOut) {
  int calls = 0;
  const auto key = generate_api_key([&](std::span<unsigned char> bytes) {
    std::ranges::fill(bytes, static_cast<unsigned char>(calls++ == 0 ? 255 : 61));
    return true;
  });
  EXPECT_EQ(*key, "qg_" + std::string(43, 'z'));
  EXPECT_EQ(calls, 2);
}

TEST(ApiKey, WithoutRandomnessThereIsNone) {
  EXPECT_FALSE(generate_api_key([](std::span<unsigned char>) { return false; }).ok());
}

TEST(Secrets, ComeFromAFileOrTheEnvironmentWithoutTheNewline) {
  EXPECT_EQ(*read_secret(write("secret", "hunter2\n"), "QUOTACTL_TEST"), "hunter2");
  EXPECT_EQ(*read_secret("", "QUOTACTL_TEST"), "");
  setenv("QUOTACTL_TEST", "from-environment", 1);
  EXPECT_EQ(*read_secret("", "QUOTACTL_TEST"), "from-environment");
  EXPECT_EQ(*read_secret(write("secret", "hunter2"), "QUOTACTL_TEST"), "hunter2");
  unsetenv("QUOTACTL_TEST");
}

TEST(Secrets, WhatCannotBeOneIsRefusedAndNotShown) {
  for (const char* text : {"", "\n", "hunter2\nhunter2", "hunter2\xff", "hunter2\t"}) {
    const auto secret = read_secret(write("secret", text), "QUOTACTL_TEST");
    ASSERT_FALSE(secret.ok()) << text;
    EXPECT_THAT(std::string(secret.status().message()), Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(std::string(read_secret("/nonexistent", "X").status().message()),
              HasSubstr("cannot read /nonexistent"));
}

TEST(PercentEncode, MakesAnyIdOneSegment) {
  EXPECT_EQ(percent_encode("acme-1_2.x~"), "acme-1_2.x~");
  EXPECT_EQ(percent_encode("a/b?c#d%e f"), "a%2Fb%3Fc%23d%25e%20f");
  EXPECT_EQ(percent_encode("\xc3\xa9"), "%C3%A9");
}

TEST(AdminClient, TakesOnlyAddressesOfHttp) {
  Session session;
  for (const char* good :
       {"http://127.0.0.1:9180", "http://[::1]:9180/", "https://quota.example"}) {
    session.admin = good;
    EXPECT_TRUE(AdminClient::open(session).ok()) << good;
  }
  for (const char* bad : {"", "127.0.0.1:9180", "ftp://x", "http://", "http://a b", "http://x/y",
                          "http://user:secret@host", "http://x?y", "http://x/#y", "http://x:0"}) {
    session.admin = bad;
    EXPECT_FALSE(AdminClient::open(session).ok()) << bad;
  }
}

TEST(AdminClient, NobodyThereIsUnavailable) {
  Session session;
  session.admin = "http://127.0.0.1:1";
  const auto result = AdminClient::open(session)->get("/healthz");
  EXPECT_EQ(exit_code_of(result.status()), kUnreachable);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("is it running?"));
}

TEST(Facts, AttributesAreTakenApartAtTheFirstEqualsSign) {
  Facts facts;
  facts.attributes = {"country=DE", "query=a=b", "empty="};
  ASSERT_TRUE(facts.complete().ok());
  EXPECT_EQ(facts.attribute_map.at("query"), "a=b");
  EXPECT_EQ(facts.attribute_map.at("empty"), "");
  for (const char* bad : {"country", "=DE", ""}) {
    facts.attributes = {bad};
    EXPECT_FALSE(facts.complete().ok()) << bad;
  }
}

TEST(Facts, StandardInputHoldsOneSecret) {
  Facts facts;
  facts.api_key_file = facts.bearer_file = "-";
  EXPECT_FALSE(facts.complete().ok());
}

TEST(Amounts, ReadAsPeopleWriteThem) {
  EXPECT_EQ(amount(Json(1.5)), "1.5");
  EXPECT_EQ(amount(nullptr), "unlimited");
  EXPECT_EQ(limits_text({{"requests_per_minute", 100}, {"monthly_quota", nullptr}}),
            "100 per minute, unlimited per month");
  const Json state = {{"limit", 100}, {"remaining", 98.5}, {"reset_unix_ms", 61'500}};
  EXPECT_EQ(state_text(state, 60'000), "98.5 of 100 left, all of it again in 2 s");
  EXPECT_EQ(state_text(nullptr, 0), "no limit");
}

TEST(ExitCode, SaysWhatScriptsWantToKnow) {
  EXPECT_EQ(exit_code_of(absl::OkStatus()), 0);
  EXPECT_EQ(exit_code_of(absl::NotFoundError("")), 1);
  EXPECT_EQ(exit_code_of(absl::UnavailableError("")), 3);
  EXPECT_EQ(exit_code_of(absl::PermissionDeniedError("")), 4);
}

}  // namespace
}  // namespace quota::cli
