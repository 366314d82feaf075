#include "cli/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/csv_reader.h"
#include "cli/progress.h"
#include "cli/traffic.h"
#include "policy/load.h"

namespace quota::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'795'000'000 * kSecond;

// ---- comma-separated values

std::vector<std::vector<std::string>> read_all(const std::string& text) {
  std::istringstream in(text);
  CsvReader reader(in);
  std::vector<std::vector<std::string>> records;
  std::vector<std::string> fields;
  while (*reader.next(fields)) records.push_back(fields);
  return records;
}

std::string csv_error(const std::string& text) {
  std::istringstream in(text);
  CsvReader reader(in);
  std::vector<std::string> fields;
  while (true) {
    const auto there = reader.next(fields);
    if (!there.ok()) return std::string(there.status().message());
    if (!*there) return "";
  }
}

TEST(CsvReader, TakesLinesApartAtCommas) {
  EXPECT_THAT(read_all("a,b,\n,c\r\n"),
              ElementsAre(ElementsAre("a", "b", ""), ElementsAre("", "c")));
}

TEST(CsvReader, AQuotedFieldHoldsCommasQuotesAndLineEnds) {
  EXPECT_THAT(read_all("\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\nnext"),
              ElementsAre(ElementsAre("a,b", "say \"hi\"", "two\nlines"), ElementsAre("next")));
}

TEST(CsvReader, EmptyLinesAreNoRecords) {
  EXPECT_THAT(read_all("\na\n\n\nb\n"), ElementsAre(ElementsAre("a"), ElementsAre("b")));
}

TEST(CsvReader, SaysInWhichLineSomethingIsWrong) {
  EXPECT_EQ(csv_error("a\n\"b\n\nc"), "line 2: a field in double quotes does not end");
  EXPECT_THAT(csv_error("\"a\"b,c"), HasSubstr("line 1: there is something between"));
}

TEST(CsvReader, RefusesARecordThatDoesNotEnd) {
  const std::string endless = "\"" + std::string(CsvReader::kLongestRecord + 1, 'x');
  EXPECT_EQ(csv_error(endless), "line 1: the record is longer than 1 MB");
}

TEST(CsvReader, CountsNothingOfARecordTwice) {
  std::string quoted = "\"";
  for (int i = 0; i < 10'000; ++i) quoted += "say \"\"hi\"\",\n";
  const auto records = read_all(quoted + "\"");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0][0].size(), 100'000u);
}

TEST(CsvReader, RefusesARecordOfNothingButLineEnds) {
  EXPECT_EQ(csv_error("\"" + std::string(CsvReader::kLongestRecord + 2, '\n') + "\""),
            "line 1: the record is longer than 1 MB");
}

TEST(CsvReader, AByteOrderMarkIsNoPartOfTheFirstField) {
  EXPECT_THAT(read_all("\xef\xbb\xbf\"a\",b\n\xef\xbb\xbfz"),
              ElementsAre(ElementsAre("a", "b"), ElementsAre("\xef\xbb\xbfz")));
}

// ---- traffic

TEST(TrafficTime, IsUnixSecondsOrAnIsoDate) {
  EXPECT_EQ(parse_time_us("1795000000"), kStart);
  EXPECT_EQ(parse_time_us("1795000000.250"), kStart + kSecond / 4);
  EXPECT_EQ(parse_time_us("2026-11-18T11:06:40Z"), kStart);
  EXPECT_EQ(parse_time_us("2026-11-18T12:06:40+01:00"), kStart);
}

TEST(TrafficTime, IsNothingElse) {
  for (const char* text : {"", ".", "1.2.3", "1.", "yesterday", "-5", "1e9", "99999999999",
                           "2026-11-18", "99999999999999999999"}) {
    EXPECT_EQ(parse_time_us(text), std::nullopt) << text;
  }
}

std::string traffic_error(const std::string& text) {
  std::istringstream in(text);
  auto reader = TrafficReader::open(in, "t.csv");
  if (!reader.ok()) return std::string(reader.status().message());
  while (true) {
    const auto there = reader->next();
    if (!there.ok()) return std::string(there.status().message());
    if (!*there) return "";
  }
}

TEST(TrafficReader, ColumnsComeInAnyOrder) {
  std::istringstream in("path,hits,time,client_ip,consumer\n/a,3,1795000000,192.0.2.7,acme\n");
  auto reader = TrafficReader::open(in, "t.csv");
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(*reader->next());
  EXPECT_EQ(reader->request().path, "/a");
  EXPECT_EQ(reader->request().method, "GET");
  EXPECT_EQ(reader->request().hits, 3u);
  EXPECT_EQ(reader->request().consumer, "acme");
  EXPECT_EQ(reader->request().client_ip, std::string("\xc0\x00\x02\x07", 4));
  EXPECT_EQ(reader->unix_us(), kStart);
  EXPECT_FALSE(*reader->next());
}

TEST(TrafficReader, TakesWhatASpreadsheetSaved) {
  EXPECT_EQ(traffic_error("\xef\xbb\xbftime,path\r\n1,/a\r\n"), "");
}

TEST(TrafficReader, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(traffic_error(""), HasSubstr("t.csv is empty"));
  EXPECT_THAT(traffic_error("time,pfad\n"), HasSubstr("there is no column \"pfad\""));
  EXPECT_THAT(traffic_error("time\n"), HasSubstr("the column path is missing"));
  EXPECT_THAT(traffic_error("time,path,time\n"), HasSubstr("the column time is there twice"));
  EXPECT_EQ(traffic_error("time,path\n1,/a\n1\n"),
            "t.csv: line 3: it has 1 fields, and the first line names 2 columns");
  EXPECT_THAT(traffic_error("time,path\nnoon,/a\n"), HasSubstr("line 2: \"noon\" is no time"));
  EXPECT_THAT(traffic_error("time,path,client_ip\n1,/a,1.2\n"), HasSubstr("no IP address"));
  for (const char* hits : {"0", "-1", "x", "1000001"}) {
    EXPECT_THAT(traffic_error(std::string("time,path,hits\n1,/a,") + hits),
                HasSubstr("is not a number of hits from 1 to 1000000"));
  }
}

// ---- what a policy does

class SimulationTest : public ::testing::Test {
 protected:
  void use(const std::string& yaml) {
    const auto policy = policy::load_policy(yaml, "p.yaml");
    ASSERT_TRUE(policy.ok()) << policy.status();
    simulation_ = std::make_unique<Simulation>(**policy);
  }
  void send(const std::string& consumer, const std::string& path, int64_t at_us, int times = 1) {
    identity::Check check;
    check.method = "GET";
    check.path = path;
    check.consumer = consumer;
    for (int i = 0; i < times; ++i) simulation_->add(check, at_us);
  }
  const Simulation& result() const { return *simulation_; }

  static constexpr const char* kPolicy =
      "version: 1\n"
      "mode: shadow\n"
      "default_tier: free\n"
      "tiers:\n"
      "  free: {requests_per_minute: 100, monthly_quota: 150}\n"
      "  pro: {requests_per_minute: 1000}\n"
      "endpoints: [{path: /compare, cost: 2}, {path: /health, cost: 0}]\n"
      "consumers: [{id: acme, tier: pro}]\n";

 private:
  std::unique_ptr<Simulation> simulation_;
};

TEST_F(SimulationTest, DeniesWhatAMinuteDoesNotHold) {
  use(kPolicy);
  send("beta", "/identify", kStart, 150);
  EXPECT_EQ(result().total().allowed, 100u);
  EXPECT_EQ(result().total().denied_by_minute, 50u);
  EXPECT_EQ(result().total().cost_milli, 100'000);
  EXPECT_EQ(result().total().first_denial_us, kStart);
}

TEST_F(SimulationTest, PricesCountAndFreeEndpointsDoNot) {
  use(kPolicy);
  send("beta", "/compare", kStart, 150);
  send("beta", "/health", kStart, 10);
  EXPECT_EQ(result().total().allowed, 50u);
  EXPECT_EQ(result().total().denied(), 100u);
  EXPECT_EQ(result().total().exempt, 10u);
}

TEST_F(SimulationTest, TimePassesAsInTheTraffic) {
  use(kPolicy);
  send("beta", "/identify", kStart, 100);
  send("beta", "/identify", kStart + 6 * kSecond, 15);
  EXPECT_EQ(result().total().allowed, 110u) << "100 at once, and a tenth of a minute's worth";
}

TEST_F(SimulationTest, AMonthEndsWhenItIsUsedUpAndBeginsAnew) {
  use(kPolicy);
  for (int minute = 0; minute < 4; ++minute) send("beta", "/a", kStart + minute * 60 * kSecond, 60);
  EXPECT_EQ(result().total().allowed, 150u);
  EXPECT_EQ(result().total().denied_by_month, 90u);
  send("beta", "/a", kStart + 30 * 86'400 * kSecond, 60);
  EXPECT_EQ(result().total().allowed, 210u);
}

TEST_F(SimulationTest, TellsTiersAndSubjectsApartAndThoseDeniedMostFirst) {
  use(kPolicy);
  send("acme", "/a", kStart, 500);
  send("beta", "/a", kStart, 110);
  send("gamma", "/a", kStart, 120);
  const auto tiers = result().by_tier();
  EXPECT_EQ(tiers.at("pro").denied(), 0u);
  EXPECT_EQ(tiers.at("free").denied(), 30u);
  const auto subjects = result().subjects();
  ASSERT_EQ(subjects.size(), 3u);
  EXPECT_EQ(subjects[0].name, "gamma");
  EXPECT_EQ(subjects[1].name, "beta");
  EXPECT_EQ(subjects[2].name, "acme");
}

TEST_F(SimulationTest, WhatComesTooLateCountsAsOfNow) {
  use(kPolicy);
  send("beta", "/a", kStart + 60 * kSecond, 100);
  send("beta", "/a", kStart, 1);
  EXPECT_EQ(result().late(), 1u);
  EXPECT_EQ(result().total().denied(), 1u);
  EXPECT_EQ(result().last_us(), kStart + 60 * kSecond);
}

TEST(Progress, IsABarWithAPercentage) {
  EXPECT_EQ(progress_line("Reading t.csv", 35, 100), "[#######             ]  35 %  Reading t.csv");
  EXPECT_EQ(progress_line("Reading t.csv", 7, 0), "Reading t.csv: 7");
  EXPECT_EQ(progress_line("x", 200, 100), "[####################] 100 %  x");
}

}  // namespace
}  // namespace quota::cli
