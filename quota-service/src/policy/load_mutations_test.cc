#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "policy/load.h"
#include "policy/utf8.h"

// Whatever is done to a policy, reading it gives a policy or says what is wrong and where.
namespace quota::policy {
namespace {

std::string read_all(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What breaks readers of YAML more often than random bytes do.
rc::Gen<std::string> token() {
  return rc::gen::element<std::string>(
      ":", ": ", "- ", "? ", "{", "}", "[", "]", ",", "\"", "'", "|\n", ">\n", "#", "&a ", "*a",
      "! ", "!!map ", "%YAML 1.2\n", "---\n", "...\n", "\n", "\r", "\t", "  ", "~", "null",
      "<<: ", "-1", "0", "99999999999999999999", ".5", "1e9", "\\x00", "\xc3", "\xef\xbb\xbf",
      "\xff", "\x04", "@", "free", "unlimited: true", "path: \"*\"");
}

struct Mutation {
  size_t at;
  size_t length;
  std::string token;
};

rc::Gen<Mutation> mutation() {
  return rc::gen::build<Mutation>(
      rc::gen::set(&Mutation::at, rc::gen::inRange<size_t>(0, 1 << 20)),
      rc::gen::set(&Mutation::length, rc::gen::element<size_t>(0, 0, 1, 2, 8, 40, 400)),
      rc::gen::set(&Mutation::token,
                   rc::gen::oneOf(token(), rc::gen::just(std::string()),
                                  rc::gen::container<std::string>(rc::gen::arbitrary<char>()))));
}

void apply(const Mutation& mutation, std::string& text) {
  const size_t at = mutation.at % (text.size() + 1);
  text.replace(at, std::min(mutation.length, text.size() - at), mutation.token);
}

// Lines and columns lie in the file; one line more than it has stands for its end.
bool is_position_in(const std::string& text, const Fault& fault) {
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  return fault.at.line >= 1 && fault.at.line <= lines + 1 && fault.at.column >= 1 &&
         static_cast<size_t>(fault.at.column) <= text.size() + 2;
}

// Valid UTF-8 without control characters.
bool is_fit_for_a_log(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0 || static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7f) return false;
    text.remove_prefix(length);
  }
  return true;
}

void must_be_policy_or_faults(const std::string& yaml) {
  const std::string name = TESTDATA_DIR "/good/mutated.yaml";
  Faults faults;
  const auto policy = load_policy(yaml, name, faults);
  RC_ASSERT((policy == nullptr) == !faults.empty());
  for (const Fault& fault : faults.list()) {
    RC_ASSERT(is_position_in(yaml, fault));
    if (!is_fit_for_a_log(fault.text)) RC_FAIL("not fit for a log: " + absl::CEscape(fault.text));
  }
  if (policy != nullptr) {
    for (const Tier& tier : policy->tiers) RC_ASSERT(policy->find_tier(tier.name) == &tier);
    RC_ASSERT(policy->default_tier.empty() || policy->find_tier(policy->default_tier) != nullptr);
  }
}

RC_GTEST_PROP(Mutations, OfAGoodPolicyGiveAPolicyOrFaultsWithPositions, ()) {
  const std::string source = *rc::gen::element<std::string>("all_keys", "other_values");
  std::string yaml = read_all(TESTDATA_DIR "/good/" + source + ".yaml");
  // One after the other, so that the first ones leave most of the file as it was.
  const auto mutations = *rc::gen::container<std::vector<Mutation>>(mutation());
  for (const Mutation& each : mutations) {
    apply(each, yaml);
    must_be_policy_or_faults(yaml);
  }
}

RC_GTEST_PROP(Mutations, OfNothingButTokensGiveAPolicyOrFaultsWithPositions, ()) {
  const auto tokens = *rc::gen::container<std::vector<std::string>>(token());
  std::string yaml;
  for (const std::string& each : tokens) yaml += each;
  must_be_policy_or_faults(yaml);
}

}  // namespace
}  // namespace quota::policy
