#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/exit_code.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace quota::cli {

// Keeps the order in which quotad wrote the members.
using Json = nlohmann::ordered_json;

// What one call of quotactl was asked for: options of every command, and the command itself.
struct Session {
  std::string admin = "http://127.0.0.1:9180";
  std::string token_file;
  bool json = false;
  std::function<absl::StatusOr<ExitCode>()> command;
  std::map<const CLI::Option*, std::vector<std::string>> words;  // that an argument may be
};

// Each adds its commands to `app`; a command that is chosen puts itself into the session.
void add_validate_command(CLI::App& app, Session& session);
void add_check_command(CLI::App& app, Session& session);
void add_explain_command(CLI::App& app, Session& session);
void add_quota_commands(CLI::App& app, Session& session);     // get, reset
void add_consumer_commands(CLI::App& app, Session& session);  // consumer …, set-tier
void add_mode_command(CLI::App& app, Session& session);
void add_reload_command(CLI::App& app, Session& session);
void add_top_command(CLI::App& app, Session& session);
void add_simulate_command(CLI::App& app, Session& session);
void add_usage_command(CLI::App& app, Session& session);
void add_tail_command(CLI::App& app, Session& session);
void add_completion_command(CLI::App& app, Session& session);

// For --json.
void print_json(const Json& json);

}  // namespace quota::cli
