#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "policy/load.h"

// Every sentence that can be said about a wrong policy has an example: a file in testdata/bad that
// begins with the errors it is expected to have, or, where a file would be too large or too odd to
// keep, an entry in generated().
namespace quota::policy {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Example {
  std::string name;
  std::string yaml;
  std::string expected;  // "line:column: sentence", one per line
};

std::ostream& operator<<(std::ostream& out, const Example& example) { return out << example.name; }

constexpr std::string_view kExpect = "# expect: ";

Example read_example(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  Example example{path.stem(), content.str(), ""};
  std::string line;
  while (std::getline(content, line) && line.starts_with(kExpect)) {
    example.expected += (example.expected.empty() ? "" : "\n") + line.substr(kExpect.size());
  }
  return example;
}

std::string repeat(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::vector<Example> generated() {
  using std::string_literals::operator""s;
  return {
      {"generated_file_too_large", std::string((8 << 20) + 1, '#'),
       "1:1: the file is larger than 8 MB; keep consumers in the store (quotactl consumer add) "
       "instead"},
      {"generated_latin_1", "version: 1\n# gr\xf6\xdf\x65",
       "2:5: this is not UTF-8 text; save the file as UTF-8"},
      {"generated_utf_16", "\xff\xfev\0e\0r\0"s,
       "1:1: this is not UTF-8 text; save the file as UTF-8"},
      {"generated_overlong_utf_8", "a: \xc0\xaf",
       "1:4: this is not UTF-8 text; save the file as UTF-8"},
      {"generated_nul", "mode: \0off"s, "1:7: control character 0x00 is not allowed; remove it"},
      {"generated_escape", "mode: off\nburst: \x1b[2K1",
       "2:8: control character 0x1b is not allowed; remove it"},
      // To yaml-cpp this character is the end of the file.
      {"generated_end_of_transmission", "mode: off\n\x04nonsense",
       "2:1: control character 0x04 is not allowed; remove it"},
      {"generated_path_too_long", "endpoints:\n  - path: /" + std::string(1024, 'a'),
       "2:11: this path is longer than 1024 characters; shorten it to a prefix"},
      {"generated_too_many_endpoints", "endpoints:\n" + repeat("  - {path: /}\n", 1001),
       "2:3: 1001 endpoints are too many; no more than 1000 are supported"},
      {"generated_too_many_consumers", "consumers:\n" + repeat("- {id: x}\n", 100'001),
       "2:1: 100001 consumers are too many; no more than 100000 are supported"},
      {"generated_too_many_overrides", "overrides_by_attribute: [" + repeat("{}, ", 257) + "]",
       "1:25: 257 overrides by attribute are too many; no more than 256 are supported"},
      {"generated_too_many_networks",
       "anonymous: {allowlist: {unlimited: true, cidrs: [" + repeat("::1, ", 10'001) + "]}}",
       "1:49: 10001 networks are too many; no more than 10000 are supported"},
      {"generated_too_many_tiers",
       [] {
         std::string yaml = "tiers:\n";
         for (int i = 0; i < 65; ++i) yaml += "  t" + std::to_string(i) + ": {unlimited: true}\n";
         return yaml;
       }(),
       "2:3: 65 tiers are too many; no more than 64 are supported"},
  };
}

std::vector<Example> all_examples() {
  std::vector<Example> examples = generated();
  for (const auto& entry : std::filesystem::directory_iterator(TESTDATA_DIR "/bad")) {
    examples.push_back(read_example(entry.path()));
  }
  std::sort(examples.begin(), examples.end(),
            [](const Example& a, const Example& b) { return a.name < b.name; });
  return examples;
}

// In the directory of the fixtures, because of the key files beside it.
std::string file_name(const Example& example) {
  return TESTDATA_DIR "/bad/" + example.name + ".yaml";
}

std::string with_file(std::string_view file, const std::string& expected) {
  std::istringstream lines(expected);
  std::string all;
  for (std::string line; std::getline(lines, line);) {
    all += (all.empty() ? "" : "\n") + std::string(file) + ":" + line;
  }
  return all;
}

class BadPolicy : public testing::TestWithParam<Example> {};

TEST_P(BadPolicy, IsRefusedWithExactlyTheseSentences) {
  const std::string file = file_name(GetParam());
  const auto policy = load_policy(GetParam().yaml, file);
  ASSERT_FALSE(policy.ok());
  EXPECT_EQ(std::string(policy.status().message()), with_file(file, GetParam().expected));
}

TEST_P(BadPolicy, IsToldWithoutSecrets) {
  const auto policy = load_policy(GetParam().yaml, "p.yaml");
  ASSERT_FALSE(policy.ok());
  const std::string message(policy.status().message());
  for (const char* secret : {"do-not-show-me", "do_not_show_me", "s3cr3t", "2c70e12b", "2C70E12B",
                             "BEGIN PRIVATE", "too-short"}) {
    EXPECT_THAT(message, Not(HasSubstr(secret)));
  }
}

INSTANTIATE_TEST_SUITE_P(Examples, BadPolicy, testing::ValuesIn(all_examples()),
                         [](const auto& param_info) { return param_info.param.name; });

TEST(BadPolicies, ShowEverySentenceThereIs) {
  std::set<Message> shown;
  for (const Example& example : all_examples()) {
    Faults faults;
    EXPECT_EQ(load_policy(example.yaml, file_name(example), faults), nullptr) << example.name;
    for (const Fault& fault : faults.list()) shown.insert(fault.message);
  }
  for (int i = 0; i < static_cast<int>(Message::kCount); ++i) {
    const auto message = static_cast<Message>(i);
    EXPECT_TRUE(shown.contains(message)) << "no example in testdata/bad of: " << format_of(message);
  }
}

}  // namespace
}  // namespace quota::policy
