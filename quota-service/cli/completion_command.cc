#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "cli/completion.h"
#include "cli/session.h"

namespace quota::cli {
namespace {

// Arguments have no type that the help would show, so files among them are known by their names.
bool is_file(const CLI::Option& option) {
  constexpr std::array<std::string_view, 3> kFiles = {"FILE", "POLICY", "TRAFFIC"};
  return option.get_type_name() == "FILE" ||
         std::ranges::find(kFiles, option.get_name()) != kFiles.end();
}

CompletionOption describe(const CLI::Option& option) {
  CompletionOption described;
  for (const std::string& name : option.get_lnames()) described.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) described.names.push_back("-" + name);
  described.help = option.get_description();
  const bool takes_value = option.get_items_expected_max() > 0;
  described.takes = !takes_value      ? CompletionOption::Takes::kNothing
                    : is_file(option) ? CompletionOption::Takes::kFile
                                      : CompletionOption::Takes::kValue;
  return described;
}

// Options of a command may follow its subcommands too.
void walk(const CLI::App& app, const std::string& path, std::vector<CompletionOption> options,
          const Session& session, std::vector<CompletionCommand>& commands) {
  CompletionCommand command;
  command.path = path;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty() && option->get_snames().empty()) {
      command.takes_file |= is_file(*option);
      const auto words = session.words.find(option);
      if (words != session.words.end()) command.words = words->second;
    } else if (std::ranges::none_of(options, [&](const CompletionOption& known) {
                 return known.names == describe(*option).names;
               })) {
      options.push_back(describe(*option));
    }
  }
  command.options = options;
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* child : children) {
    command.subcommands.emplace_back(child->get_name(), child->get_description());
  }
  commands.push_back(std::move(command));
  for (const CLI::App* child : children) {
    walk(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), options,
         session, commands);
  }
}

}  // namespace

void add_completion_command(CLI::App& app, Session& session) {
  CLI::App* const command =
      app.add_subcommand("completion", "write a script that completes quotactl in a shell");
  const auto shell = std::make_shared<std::string>();
  session.words[command->add_option("SHELL", *shell, "bash, zsh or fish")
                    ->required()
                    ->type_name("")
                    ->check(
                        CLI::Validator(CLI::IsMember({"bash", "zsh", "fish"})).description(""))] = {
      "bash", "zsh", "fish"};
  command->callback([&app, &session, shell] {
    session.command = [&app, &session, shell]() -> absl::StatusOr<ExitCode> {
      std::vector<CompletionCommand> commands;
      walk(app, "", {}, session, commands);
      fmt::print("{}", *shell == "bash"  ? bash_completion(commands)
                       : *shell == "zsh" ? zsh_completion(commands)
                                         : fish_completion(commands));
      return kOk;
    };
  });
}

}  // namespace quota::cli
