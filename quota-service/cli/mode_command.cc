#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <memory>

#include "cli/admin_client.h"
#include "cli/session.h"
#include "cli/table.h"

namespace quota::cli {
namespace {

struct ModeOptions {
  std::string word;  // empty: show it
  bool is_local = false;
};

void print_mode(const Json& mode) {
  const auto since = static_cast<std::time_t>(mode.at("since_unix_ms").get<int64_t>() / 1000);
  const bool is_override = mode.at("source") == "override";
  Table table;
  table.add({"Mode", mode.at("mode")});
  table.add({"Set by", is_override ? "quotactl or the admin API" : "the policy"});
  table.add({"Since", fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(since))});
  if (is_override) table.add({"Policy", mode.at("policy_mode")});
  if (mode.at("scope") == "local") {
    table.add({"Where", "this quotad only, until it restarts or the mode is set for all"});
  }
  fmt::print("{}", table.to_string());
}

absl::StatusOr<ExitCode> mode(const Session& session, const ModeOptions& options) {
  if (options.is_local && options.word.empty()) {
    return absl::InvalidArgumentError("--local needs a mode: quotactl mode off --local");
  }
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  const std::string path = options.is_local ? "/v1/mode?scope=local" : "/v1/mode";
  const auto answer =
      options.word.empty() ? client->get(path) : client->put(path, {{"mode", options.word}});
  if (!answer.ok()) return answer.status();
  if (session.json) {
    print_json(*answer);
  } else {
    print_mode(*answer);
  }
  return kOk;
}

}  // namespace

void add_mode_command(CLI::App& app, Session& session) {
  CLI::App* const command = app.add_subcommand("mode", "show the mode, or set it for all quotads");
  const auto options = std::make_shared<ModeOptions>();
  const std::vector<std::string> words = {"enforce", "shadow", "off", "policy"};
  CLI::Option* const word =
      command
          ->add_option(
              "MODE", options->word,
              "enforce, shadow (refuse nobody), off (count nothing), or policy: what it says")
          ->type_name("")
          ->check(CLI::Validator(CLI::IsMember(words)).description(""));
  session.words[word] = words;
  command->add_flag("--local", options->is_local,
                    "this quotad only, also when the store is away; not for long");
  command->callback([&session, options] {
    session.command = [&session, options] { return mode(session, *options); };
  });
}

}  // namespace quota::cli
