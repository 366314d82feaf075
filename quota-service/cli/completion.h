#pragma once

#include <string>
#include <utility>
#include <vector>

// Scripts for shells, made of what a program's commands and options are.
namespace quota::cli {

struct CompletionOption {
  enum class Takes { kNothing, kValue, kFile };

  std::vector<std::string> names;  // with their dashes
  std::string help;
  Takes takes = Takes::kNothing;
};

struct CompletionCommand {
  std::string path;  // "consumer add"; empty: the program itself
  std::vector<std::pair<std::string, std::string>> subcommands;  // name and help
  std::vector<CompletionOption> options;  // also those that it has from the commands above it
  std::vector<std::string> words;         // that may stand as its argument
  bool takes_file = false;                // as its argument
};

std::string bash_completion(const std::vector<CompletionCommand>& commands);
std::string zsh_completion(const std::vector<CompletionCommand>& commands);
std::string fish_completion(const std::vector<CompletionCommand>& commands);

}  // namespace quota::cli
