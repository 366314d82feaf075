#include "cli/completion.h"

#include <fmt/format.h>

#include <set>
#include <string_view>

// Each script finds out which command the words before the cursor lead to, leaving out the values
// of options, and offers what that command has.
namespace quota::cli {
namespace {

using Takes = CompletionOption::Takes;

// In single quotes, as bash and zsh read them.
std::string quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

// As fish reads them.
std::string fish_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

// All names of all options that take such a value, joined.
std::string names_taking(const std::vector<CompletionCommand>& commands, Takes takes,
                         std::string_view separator) {
  std::set<std::string> names;
  for (const CompletionCommand& command : commands) {
    for (const CompletionOption& option : command.options) {
      if (option.takes == takes) names.insert(option.names.begin(), option.names.end());
    }
  }
  return fmt::format("{}", fmt::join(names, separator));
}

// " check", "consumer add": where one more word leads, as a pattern of `case`.
std::string steps(const std::vector<CompletionCommand>& commands, std::string_view separator) {
  std::vector<std::string> all;
  for (const CompletionCommand& command : commands) {
    for (const auto& [name, help] : command.subcommands) {
      all.push_back(quoted(command.path + " " + name));
    }
  }
  return fmt::format("{}", fmt::join(all, separator));
}

std::string bash_words(const CompletionCommand& command) {
  std::string words;
  for (const auto& [name, help] : command.subcommands) words += name + " ";
  for (const std::string& word : command.words) words += word + " ";
  for (const CompletionOption& option : command.options) {
    for (const std::string& name : option.names) words += name + " ";
  }
  if (!words.empty()) words.pop_back();
  return words;
}

}  // namespace

std::string bash_completion(const std::vector<CompletionCommand>& commands) {
  std::string script = fmt::format(
      R"(# Completes quotactl in bash. Made by: quotactl completion bash
_quotactl() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
  local command='' words='' files='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i - 1]}} in
      {0} | {1}) continue ;;
    esac
    case "$command ${{COMP_WORDS[i]}}" in
      {2}) command="${{command:+$command }}${{COMP_WORDS[i]}}" ;;
    esac
  done
  case $before in
    {1})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    {0}) return ;;
  esac
  case $command in
)",
      names_taking(commands, Takes::kValue, " | "), names_taking(commands, Takes::kFile, " | "),
      steps(commands, " | "));
  for (const CompletionCommand& command : commands) {
    script += fmt::format("    {}) words={}{} ;;\n", quoted(command.path),
                          quoted(bash_words(command)), command.takes_file ? " files=yes" : "");
  }
  script += R"(  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  if [[ $files && $word != -* ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}
complete -F _quotactl quotactl
)";
  return script;
}

std::string zsh_completion(const std::vector<CompletionCommand>& commands) {
  std::string script = fmt::format(
      R"(#compdef quotactl
# Completes quotactl in zsh. Made by: quotactl completion zsh
_quotactl() {{
  local command='' files='' i
  local -a found options
  for ((i = 2; i < CURRENT; i++)); do
    case $words[i-1] in
      ({0}|{1}) continue ;;
    esac
    case "$command $words[i]" in
      ({2}) command="${{command:+$command }}$words[i]" ;;
    esac
  done
  case $words[CURRENT-1] in
    ({1}) _files; return ;;
    ({0}) _message value; return ;;
  esac
  case $command in
)",
      names_taking(commands, Takes::kValue, "|"), names_taking(commands, Takes::kFile, "|"),
      steps(commands, "|"));
  for (const CompletionCommand& command : commands) {
    std::string found;
    for (const auto& [name, help] : command.subcommands)
      found += fmt::format(" {}", quoted(fmt::format("{}:{}", name, help)));
    for (const std::string& word : command.words) found += fmt::format(" {}", quoted(word));
    std::string options;
    for (const CompletionOption& option : command.options) {
      for (const std::string& name : option.names)
        options += fmt::format(" {}", quoted(fmt::format("{}:{}", name, option.help)));
    }
    script += fmt::format("    ({})\n      found=({})\n      options=({})\n{}      ;;\n",
                          quoted(command.path), found.empty() ? "" : found.substr(1),
                          options.empty() ? "" : options.substr(1),
                          command.takes_file ? "      files=yes\n" : "");
  }
  script += R"(  esac
  (( $#found )) && _describe -t commands command found
  [[ -n $files ]] && _files
  _describe -o -t options option options
}
if [[ $funcstack[1] == _quotactl ]]; then
  _quotactl
else
  compdef _quotactl quotactl
fi
)";
  return script;
}

std::string fish_completion(const std::vector<CompletionCommand>& commands) {
  std::string script = fmt::format(
      R"(# Completes quotactl in fish. Made by: quotactl completion fish
function __quotactl_at
    set -l command
    set -l before
    for word in (commandline -opc)[2..]
        if not contains -- "$before" {0} {1}
            switch "$command $word"
                case {2}
                    set command (string trim -- "$command $word")
            end
        end
        set before $word
    end
    test "$command" = "$argv[1]"
end
complete -c quotactl -f
)",
      names_taking(commands, Takes::kValue, " "), names_taking(commands, Takes::kFile, " "),
      steps(commands, " "));
  for (const CompletionCommand& command : commands) {
    const std::string at =
        fmt::format("complete -c quotactl -n \"__quotactl_at {}\"", fish_quoted(command.path));
    for (const auto& [name, help] : command.subcommands) {
      script += fmt::format("{} -a {} -d {}\n", at, name, fish_quoted(help));
    }
    for (const std::string& word : command.words) script += fmt::format("{} -a {}\n", at, word);
    if (command.takes_file) script += at + " -F\n";
    for (const CompletionOption& option : command.options) {
      std::string names;
      for (const std::string& name : option.names) {
        names += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      const std::string_view value = option.takes == Takes::kFile    ? " -r -F"
                                     : option.takes == Takes::kValue ? " -x"
                                                                     : "";
      script += fmt::format("{}{}{} -d {}\n", at, names, value, fish_quoted(option.help));
    }
  }
  return script;
}

}  // namespace quota::cli
