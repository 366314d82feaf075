#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "config/settings.h"

namespace quota::config {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// A command line, its environment and its files; all gone after the test.
class ParseArguments : public ::testing::Test {
 protected:
  ~ParseArguments() override {
    for (const std::string& name : variables_) unsetenv(name.c_str());
    for (const std::string& path : files_) unlink(path.c_str());
  }

  void set(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    variables_.push_back(name);
  }

  std::string file(const std::string& name, const std::string& text, mode_t mode = 0600) {
    std::string path = ::testing::TempDir() + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    files_.push_back(path);
    return path;
  }

  absl::StatusOr<ParsedArguments> parse(std::vector<const char*> flags) {
    flags.insert(flags.begin(), "quotad");
    return parse_arguments(static_cast<int>(flags.size()), flags.data());
  }

  std::string fault(std::vector<const char*> flags) {
    return std::string(parse(std::move(flags)).status().message());
  }

  std::string fault_of_file(const std::string& text) {
    const std::string path = file("quotad.yaml", text);
    return fault({"--config", path.c_str()});
  }

 private:
  std::vector<std::string> variables_;
  std::vector<std::string> files_;
};

TEST_F(ParseArguments, NothingGivenMeansTheDefaults) {
  const auto parsed = parse({});
  ASSERT_TRUE(parsed.ok());
  EXPECT_FALSE(parsed->exit_code);
  EXPECT_EQ(parsed->settings.listen, "unix:/tmp/quota.sock");
  EXPECT_FALSE(parsed->settings.check_only);
  EXPECT_EQ(parsed->settings.admin_token, "");
}

TEST_F(ParseArguments, AFlagWinsOverTheEnvironmentAndThatOverTheFile) {
  const std::string path = file("quotad.yaml", "threads: 2\nmax_subjects: 20\nlog_level: warn\n");
  set("QUOTAD_CONFIG", path);
  set("QUOTAD_MAX_SUBJECTS", "30");
  set("QUOTAD_LOG_LEVEL", "error");
  const auto parsed = parse({"--log-level", "debug", "--check"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->settings.config, path);
  EXPECT_EQ(parsed->settings.threads, 2);
  EXPECT_EQ(parsed->settings.max_subjects, 30);
  EXPECT_EQ(parsed->settings.log_level, "debug");
  EXPECT_TRUE(parsed->settings.check_only);
}

TEST_F(ParseArguments, AnEmptyFileChangesNothing) {
  EXPECT_EQ(fault_of_file(""), "");
  EXPECT_EQ(fault_of_file("# threads: 2\n"), "");
}

TEST_F(ParseArguments, FaultsOfTheFileSayWhere) {
  EXPECT_THAT(fault_of_file("threads: 2\ntreads: 3\n"),
              HasSubstr("quotad.yaml:2:1: there is no setting `treads`; did you mean `threads`?"));
  EXPECT_THAT(fault_of_file("threads: many\n"), HasSubstr("quotad.yaml:1:10: threads: \"many\""));
  EXPECT_THAT(fault_of_file("threads: [1]\n"), HasSubstr(":1:10: threads must have one value"));
  EXPECT_THAT(fault_of_file("threads:\n"), HasSubstr(":1:1: threads must have one value"));
  EXPECT_THAT(fault_of_file("threads: 1\nthreads: 2\n"), HasSubstr(":2:1: threads is set twice"));
  EXPECT_THAT(fault_of_file("- threads\n"), HasSubstr(":1:1: the file must hold settings"));
  EXPECT_THAT(fault_of_file("a: [1\n"), HasSubstr("quotad.yaml:2:1: "));
  EXPECT_THAT(fault_of_file("? [a]\n: 1\n"), HasSubstr(":1:3: the name of a setting"));
  EXPECT_THAT(fault_of_file("log_format: xml\n"), HasSubstr(":1:13: log_format: \"xml\""));
}

TEST_F(ParseArguments, ASecretInTheFileIsRefusedAndNotRepeated) {
  EXPECT_THAT(fault_of_file("admin_token: hunter2hunter2hunter2\n"),
              AllOf(HasSubstr("admin_token_file"), Not(HasSubstr("hunter2"))));
}

TEST_F(ParseArguments, AMissingFileIsNamed) {
  EXPECT_THAT(fault({"--config", "/nonexistent.yaml"}),
              HasSubstr("cannot read /nonexistent.yaml: No such file"));
  EXPECT_THAT(fault({"--config", "/tmp"}), HasSubstr("cannot read /tmp: Is a directory"));
}

TEST_F(ParseArguments, FaultsOfTheEnvironmentNameTheVariable) {
  set("QUOTAD_THREADS", "0");
  EXPECT_THAT(fault({}), StartsWith("QUOTAD_THREADS: \"0\" is not a whole number from 1 to 64"));
}

TEST_F(ParseArguments, AnUnknownVariableIsNamed) {
  set("QUOTAD_TREADS", "1");
  EXPECT_THAT(fault({}), StartsWith("QUOTAD_TREADS: there is no such setting"));
}

TEST_F(ParseArguments, AKubernetesServiceNamedQuotadDoesNotStopIt) {
  set("QUOTAD_SERVICE_HOST", "10.0.0.1");
  set("QUOTAD_PORT_9180_TCP_ADDR", "10.0.0.1");
  set("QUOTAD_PORT", "tcp://10.0.0.1:9180");
  set("QUOTAD_ADMIN_SERVICE_PORT_HTTP", "9180");
  EXPECT_EQ(fault({}), "");
}

TEST_F(ParseArguments, FaultsOfFlagsNameTheFlag) {
  EXPECT_THAT(fault({"--max-subjects", "-5"}), StartsWith("--max-subjects: \"-5\""));
  EXPECT_THAT(fault({"--max-subjects", "99999999999999999999"}), StartsWith("--max-subjects: "));
  EXPECT_THAT(fault({"--store", "memory://r"}), StartsWith("--store: no store is known"));
  EXPECT_THAT(
      fault({"--store", "redis://:hunter2@r"}),
      AllOf(StartsWith("--store: a password on the command line"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(fault({"--admin-listen", "unix:/x"}), StartsWith("--admin-listen: "));
  EXPECT_THAT(fault({"--treads", "1"}), HasSubstr("--treads"));
  EXPECT_THAT(fault({"--threads"}), HasSubstr("--threads"));
  EXPECT_THAT(fault({"stray"}), HasSubstr("stray"));
}

TEST_F(ParseArguments, ThereIsNoFlagForASecret) {
  EXPECT_THAT(fault({"--admin-token", "0123456789abcdef"}), HasSubstr("--admin-token"));
}

TEST_F(ParseArguments, HelpShowsEverySettingInItsGroupWithItsDefault) {
  const auto parsed = parse({"--help"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->exit_code, 0);
  EXPECT_THAT(parsed->output, AllOf(HasSubstr("Admin API:"), HasSubstr("--admin-listen"),
                                    HasSubstr("[127.0.0.1:9180]"), HasSubstr("QUOTAD_THREADS")));
}

TEST_F(ParseArguments, VersionIsOneLine) {
  const auto parsed = parse({"--version"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->exit_code, 0);
  EXPECT_THAT(parsed->output, AllOf(StartsWith("quotad 0."), HasSubstr("\n")));
}

TEST_F(ParseArguments, TheTokenComesFromItsFileWithoutTheNewline) {
  const std::string path = file("token", "0123456789abcdef\n");
  const auto parsed = parse({"--admin-token-file", path.c_str()});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->settings.admin_token, "0123456789abcdef");
  EXPECT_THAT(parsed->warnings, IsEmpty());
}

TEST_F(ParseArguments, TheTokenComesFromTheEnvironment) {
  set("QUOTAD_ADMIN_TOKEN", "0123456789abcdef");
  EXPECT_EQ(parse({})->settings.admin_token, "0123456789abcdef");
}

TEST_F(ParseArguments, ThePasswordOfTheStoreComesFromAFileOrTheEnvironment) {
  const std::string path = file("password", "hunter2\n");
  const auto parsed = parse({"--store", "redis://r", "--store-password-file", path.c_str()});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->settings.store_password, "hunter2");
  set("QUOTAD_STORE_PASSWORD", "hunter3");
  EXPECT_EQ(parse({"--store", "redis://r"})->settings.store_password, "hunter3");
  EXPECT_THAT(fault({"--store", "redis://r", "--store-password-file", path.c_str()}),
              HasSubstr("keep one of them"));
}

TEST_F(ParseArguments, SettingsOfTheStoreMayStandBelowIt) {
  const std::string path =
      file("quotad.yaml", "store: {url: 'redis://r:1', exact: true, lease_ttl_ms: 500}\n");
  const auto parsed = parse({"--config", path.c_str()});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->settings.store, "redis://r:1");
  EXPECT_EQ(parsed->settings.store_exact, "true");
  EXPECT_EQ(parsed->settings.store_lease_ttl_ms, 500);
  const std::string secret = file("secret.yaml", "store:\n  password: hunter2\n");
  EXPECT_THAT(fault({"--config", secret.c_str()}),
              AllOf(HasSubstr("2:3: a secret does not belong here"),
                    HasSubstr("store_password_file"), Not(HasSubstr("hunter2"))));
}

TEST_F(ParseArguments, SettingsOfEventsAndWebhookMayStandBelowThem) {
  const std::string path = file("quotad.yaml",
                                "events: {to: redis, sample: 0.25, privacy: minimal}\n"
                                "webhook: {url: 'https://h/x?token=1'}\n");
  const auto parsed = parse({"--config", path.c_str()});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->settings.events, "redis");
  EXPECT_EQ(parsed->settings.events_sample, 0.25);
  EXPECT_EQ(parsed->settings.events_privacy, "minimal");
  EXPECT_EQ(parsed->settings.webhook_url, "https://h/x?token=1");
  EXPECT_EQ(fault_of_file("events: off\n"), "");
  EXPECT_THAT(fault_of_file("webhook: https://h/\n"), HasSubstr("1:1: there is no setting"));
  EXPECT_THAT(fault_of_file("events: {to: file, to: redis}\n"), HasSubstr("set twice"));
  EXPECT_THAT(fault_of_file("events: {store: {url: x}}\n"),
              HasSubstr("there is no setting `events_store`"));
  EXPECT_THAT(fault_of_file("webhook: {secret: hunter2hunter2hunter2}\n"),
              AllOf(HasSubstr("webhook_secret_file"), Not(HasSubstr("hunter2"))));
}

TEST_F(ParseArguments, ARateIsADecimalFromNoneToAll) {
  for (const char* good : {"0", "1", "0.5", "1.0", ".25"}) {
    EXPECT_EQ(fault({"--events-sample", good}), "") << good;
  }
  for (const char* bad : {"", "1.1", "-0.1", "nan", "inf", "1e-3", "0x1", "half", "0,5", "."}) {
    EXPECT_THAT(fault({"--events-sample", bad}), HasSubstr("is not a number from 0 to 1")) << bad;
  }
}

TEST_F(ParseArguments, SecretsOfEventsComeFromFilesOrTheEnvironmentAndAreNotShort) {
  const std::string path = file("hash.key", "0123456789abcdef\n");
  set("QUOTAD_WEBHOOK_SECRET", "fedcba9876543210");
  const auto parsed = parse({"--events-hash-key-file", path.c_str()});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->settings.events_hash_key, "0123456789abcdef");
  EXPECT_EQ(parsed->settings.webhook_secret, "fedcba9876543210");
  set("QUOTAD_WEBHOOK_SECRET", "hunter2");
  EXPECT_THAT(fault({}), AllOf(HasSubstr("QUOTAD_WEBHOOK_SECRET: the secret must have 16"),
                               Not(HasSubstr("hunter2"))));
}

TEST_F(ParseArguments, AQueryOfAWebhookIsNotPutWhereEverybodyReadsIt) {
  EXPECT_THAT(fault({"--webhook-url", "https://h/?token=hunter2"}),
              AllOf(HasSubstr("QUOTAD_WEBHOOK_URL"), Not(HasSubstr("hunter2"))));
}

TEST_F(ParseArguments, ATokenFileThatEverybodyReadsIsWarnedAbout) {
  const std::string path = file("token", "0123456789abcdef\n", 0644);
  const auto parsed = parse({"--admin-token-file", path.c_str()});
  ASSERT_TRUE(parsed.ok());
  ASSERT_THAT(parsed->warnings, SizeIs(1));
  EXPECT_THAT(parsed->warnings[0], HasSubstr("chmod o-r"));
}

TEST_F(ParseArguments, WeakAmbiguousOrMissingTokensAreRefusedAndNotRepeated) {
  const std::string empty = file("empty", "\n");
  EXPECT_THAT(fault({"--admin-token-file", empty.c_str()}), HasSubstr("holds no admin token"));
  const std::string brief = file("brief", "hunter2");
  EXPECT_THAT(fault({"--admin-token-file", brief.c_str()}),
              AllOf(HasSubstr("from 16 to 4096"), Not(HasSubstr("hunter2"))));
  const std::string spaced = file("spaced", "hunter2 hunter2 hunter2");
  EXPECT_THAT(fault({"--admin-token-file", spaced.c_str()}),
              AllOf(HasSubstr("visible ASCII"), Not(HasSubstr("hunter2"))));
  const std::string endless = file("endless", std::string(5000, 'x'));
  EXPECT_THAT(fault({"--admin-token-file", endless.c_str()}), HasSubstr("from 16 to 4096"));
  const std::string huge = file("huge", std::string(100'000, 'x'));
  EXPECT_THAT(fault({"--admin-token-file", huge.c_str()}), HasSubstr("more than 8192 bytes"));
  EXPECT_THAT(fault({"--admin-token-file", "/nonexistent"}), HasSubstr("cannot read /nonexistent"));
  set("QUOTAD_ADMIN_TOKEN", "0123456789abcdef");
  EXPECT_THAT(fault({"--admin-token-file", brief.c_str()}), HasSubstr("keep one of them"));
}

}  // namespace
}  // namespace quota::config
