// quotactl: looks into quotad, asks it, and changes what it may be asked to change.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "cli/session.h"
#include "config/version.h"

namespace quota::cli {

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

namespace {

void declare(CLI::App& app, Session& session) {
  app.set_help_flag("-h,--help", "say this and leave");
  app.set_version_flag("--version", fmt::format("quotactl {}", kVersion),
                       "say which one and leave");
  app.add_option("--admin", session.admin, fmt::format("admin API of quotad [{}]", session.admin))
      ->envname("QUOTACTL_ADMIN")
      ->type_name("URL");
  app.add_option("--token-file", session.token_file,
                 "file with the admin token, - for standard input; or QUOTACTL_TOKEN holds it")
      ->type_name("FILE");
  app.add_flag("--json", session.json, "write JSON, for programs");
  app.require_subcommand(0, 1);  // none at all is said below, in better words
  app.fallthrough();             // so that these options may also follow the command
  app.get_formatter()->column_width(30);
  app.footer(
      "Exit codes: 0 fine or allowed, 1 an error or an invalid policy, 2 denied,\n"
      "3 quotad cannot be reached, 4 not permitted.");
  add_validate_command(app, session);
  add_check_command(app, session);
  add_explain_command(app, session);
  add_quota_commands(app, session);
  add_consumer_commands(app, session);
  add_mode_command(app, session);
  add_reload_command(app, session);
  add_top_command(app, session);
  add_simulate_command(app, session);
  add_usage_command(app, session);
  add_tail_command(app, session);
  add_completion_command(app, session);
}

ExitCode fail(const absl::Status& status) {
  fmt::print(stderr, "quotactl: {}\n", std::string(status.message()));
  return exit_code_of(status);
}

ExitCode run(int argc, const char* const* argv) {
  // gRPC would write its own lines between ours.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  CLI::App app{"Look into quotad, ask it, and change what it keeps.", "quotactl"};
  Session session;
  declare(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help or --version
    return app.exit(wanted) == 0 ? kOk : kError;
  } catch (const CLI::ParseError& error) {
    return fail(absl::InvalidArgumentError(fmt::format("{}; see quotactl --help", error.what())));
  }
  if (!session.command) {
    return fail(absl::InvalidArgumentError("name a command; quotactl --help lists them"));
  }
  try {
    const auto code = session.command();
    return code.ok() ? *code : fail(code.status());
  } catch (const Json::exception&) {
    return fail(absl::InternalError(
        "quotad answered in a way that this quotactl does not know; are both of one version?"));
  }
}

}  // namespace
}  // namespace quota::cli

int main(int argc, char** argv) { return quota::cli::run(argc, argv); }
