#include "cli/usage_text.h"

#include <gtest/gtest.h>

namespace quota::cli {
namespace {

Json page(const std::vector<Json>& usage, bool by_day = false) {
  return {{"month", "2026-11"}, {"by", by_day ? "day" : "month"}, {"usage", usage}};
}

UsageReport report(const std::vector<Json>& usage, bool by_day = false) {
  UsageReport report;
  report.add(page(usage, by_day));
  return report;
}

Json entry(const Json& consumer, const std::string& endpoint, uint64_t requests, const Json& cost,
           uint64_t denials) {
  return {{"consumer", consumer}, {"endpoint", endpoint}, {"day", "2026-11-20"},
          {"requests", requests}, {"cost", cost},         {"denials", denials}};
}

TEST(UsageText, TheTableEndsWithTotals) {
  EXPECT_EQ(usage_table(report({entry(nullptr, "/a", 3, 2, 1), entry("acme", "/b", 10, 12.5, 0)})),
            "MONTH    CONSUMER  ENDPOINT  REQUESTS  COST  DENIALS\n"
            "2026-11  -         /a        3         2     1\n"
            "2026-11  acme      /b        10        12.5  0\n"
            "total                        13        14.5  1\n");
}

TEST(UsageText, CsvIsQuotedWhereItMustBe) {
  EXPECT_EQ(usage_csv(report(
                {entry(nullptr, "/a", 3, 2, 1), entry("a,b", "GET /\"x\"", 1, 0.001, 0)}, true)),
            "day,consumer,endpoint,requests,cost,denials\n"
            "2026-11-20,,/a,3,2,1\n"
            "2026-11-20,\"a,b\",\"GET /\"\"x\"\"\",1,0.001,0\n");
}

TEST(UsageText, NoCellOfCsvIsAFormula) {
  for (const char* name : {"=1+1", "+1", "-1", "@x"}) {
    EXPECT_EQ(usage_csv(report({entry(name, "/a", 1, 1, 0)})),
              "month,consumer,endpoint,requests,cost,denials\n2026-11,'" + std::string(name) +
                  ",/a,1,1,0\n");
  }
  EXPECT_EQ(usage_csv(report({entry("=a,b", "/a", 1, 1, 0)})),
            "month,consumer,endpoint,requests,cost,denials\n2026-11,\"'=a,b\",/a,1,1,0\n");
}

TEST(UsageText, JsonHoldsAllPagesAndTheirTotal) {
  UsageReport both = report({entry(nullptr, "/a", 3, 2, 1)}, true);
  both.add(page({entry("acme", "/a", 1, 0.5, 0)}, true));
  const Json said = usage_json(both);
  EXPECT_EQ(said["month"], "2026-11");
  EXPECT_EQ(said["by"], "day");
  ASSERT_EQ(said["usage"].size(), 2u);
  EXPECT_EQ(said["usage"][0], Json({{"consumer", nullptr},
                                    {"endpoint", "/a"},
                                    {"day", "2026-11-20"},
                                    {"requests", 3},
                                    {"cost", 2},
                                    {"denials", 1}}));
  EXPECT_EQ(said["usage"][1]["consumer"], "acme");
  EXPECT_EQ(said["total"], Json({{"requests", 4}, {"cost", 2.5}, {"denials", 1}}));
}

TEST(UsageText, ThousandthsAddUpExactly) {
  UsageReport many;
  for (int i = 0; i < 1000; ++i) {
    many.add(page({entry("a", "/", 1, 0.001, 0)}));
  }
  many.add(page({entry("b", "/", 1, 12345678901.234, 0)}));
  EXPECT_EQ(usage_json(many)["total"]["cost"].dump(), "12345678902.234");
}

}  // namespace
}  // namespace quota::cli
