#include "policy/endpoints.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace quota::policy {
namespace {

EndpointRule rule(std::string method, std::string path, bool prefix, int64_t cost = 1000) {
  std::string name = method + " " + path;
  return {std::move(name), std::move(method), std::move(path), prefix, cost};
}

TEST(Endpoints, GiveTheDefaultWhenNothingMatches) {
  const Endpoints endpoints({rule("", "/batch", false)}, 2500);
  const EndpointRule& found = endpoints.match("GET", "/other");
  EXPECT_EQ(found.name, "default");
  EXPECT_EQ(found.cost, 2500);
  EXPECT_EQ(&found, &endpoints.fallback());
}

TEST(Endpoints, CostOneByDefaultWhenThereAreNone) {
  EXPECT_EQ(Endpoints().match("GET", "/").cost, 1000);
}

TEST(Endpoints, MatchAnExactPathAndNothingBelowIt) {
  const Endpoints endpoints({rule("", "/batch", false)}, 0);
  EXPECT_EQ(endpoints.match("GET", "/batch").name, " /batch");
  EXPECT_EQ(endpoints.match("GET", "/batch/").name, "default");
  EXPECT_EQ(endpoints.match("GET", "/batc").name, "default");
}

TEST(Endpoints, MatchAPrefixAndItself) {
  const Endpoints endpoints({rule("", "/v1/", true)}, 0);
  EXPECT_EQ(endpoints.match("GET", "/v1/a/b").name, " /v1/");
  EXPECT_EQ(endpoints.match("GET", "/v1/").name, " /v1/");
  EXPECT_EQ(endpoints.match("GET", "/v1").name, "default");
}

TEST(Endpoints, MatchAMethodAsItIsWritten) {
  const Endpoints endpoints({rule("OPTIONS", "", true, 0)}, 1000);
  EXPECT_EQ(endpoints.match("OPTIONS", "/batch").cost, 0);
  EXPECT_EQ(endpoints.match("options", "/batch").cost, 1000);
  EXPECT_EQ(endpoints.match("GET", "/batch").cost, 1000);
}

TEST(Endpoints, LetTheFirstRuleWinWhetherExactOrPrefix) {
  const Endpoints endpoints(
      {
          rule("POST", "/v1/batch", false),
          rule("", "/v1/", true),
          rule("", "/v1/batch", false),
          rule("", "/", true),
      },
      0);
  EXPECT_EQ(endpoints.match("POST", "/v1/batch").name, "POST /v1/batch");
  EXPECT_EQ(endpoints.match("GET", "/v1/batch").name, " /v1/");
  EXPECT_EQ(endpoints.match("GET", "/v2").name, " /");
}

TEST(Endpoints, TellPrefixesApartThatBeginAlike) {
  const Endpoints endpoints(
      {rule("", "/api/orders/", true), rule("", "/api/order", true), rule("POST", "/api/", true),
       rule("", "/api/users/", true), rule("", "/api/orders/", true)},
      0);
  EXPECT_EQ(endpoints.match("GET", "/api/orders/1").index, 0u);
  EXPECT_EQ(endpoints.match("GET", "/api/orders").index, 1u);
  EXPECT_EQ(endpoints.match("POST", "/api/users/1").index, 2u);
  EXPECT_EQ(endpoints.match("GET", "/api/users/1").index, 3u);
  EXPECT_EQ(endpoints.match("GET", "/api/user").index, 5u);
  EXPECT_EQ(endpoints.match("GET", "/ap").name, "default");
}

TEST(Endpoints, TellManyPrefixesApart) {
  std::vector<EndpointRule> rules;
  for (int i = 0; i < 1000; ++i) rules.push_back(rule("", "/r" + std::to_string(i) + "/", true));
  const Endpoints endpoints(rules, 0);
  for (uint32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(endpoints.match("GET", "/r" + std::to_string(i) + "/x").index, i);
  }
  const Endpoints copy = endpoints;
  EXPECT_EQ(&copy.match("GET", "/r7/x"), &copy.rules()[7]);
}

TEST(Endpoints, TakeAnyBytesForAPath) {
  const Endpoints endpoints({rule("", "/a", true)}, 0);
  EXPECT_EQ(endpoints.match("", "").name, "default");
  EXPECT_EQ(endpoints.match("GET", std::string_view("/a\0\xff", 4)).name, " /a");
  EXPECT_EQ(endpoints.match("GET", std::string(100'000, '/')).name, "default");
  const Endpoints high({rule("", "/\xff", true), rule("", std::string("/\0", 2), true)}, 0);
  EXPECT_EQ(high.match("GET", "/\xff\xfe").index, 0u);
  EXPECT_EQ(high.match("GET", std::string_view("/\0x", 3)).index, 1u);
}

RC_GTEST_PROP(Endpoints, FindWhatReadingTheRulesInOrderFinds, ()) {
  const auto paths = rc::gen::container<std::string>(rc::gen::element('/', 'a', 'b'));
  const auto methods = rc::gen::element<std::string>("", "GET", "POST");
  std::vector<EndpointRule> rules;
  const size_t count = *rc::gen::inRange<size_t>(0, 40);
  while (rules.size() < count) rules.push_back(rule(*methods, *paths, *rc::gen::arbitrary<bool>()));
  const Endpoints endpoints(rules, 0);

  for (int i = 0; i < 20; ++i) {
    const std::string method = *methods;
    std::string path = *paths;
    // Half of them begin as a rule does.
    if (count > 0 && i % 2 == 0) path.insert(0, rules[*rc::gen::inRange<size_t>(0, count)].path);
    size_t expected = 0;
    while (expected < rules.size()) {
      const EndpointRule& candidate = rules[expected];
      const bool method_matches = candidate.method.empty() || candidate.method == method;
      const bool path_matches =
          candidate.prefix ? path.starts_with(candidate.path) : path == candidate.path;
      if (method_matches && path_matches) break;
      ++expected;
    }
    const EndpointRule* found = &endpoints.match(method, path);
    RC_ASSERT(found ==
              (expected < rules.size() ? &endpoints.rules()[expected] : &endpoints.fallback()));
  }
}

}  // namespace
}  // namespace quota::policy
