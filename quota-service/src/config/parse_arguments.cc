#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <string>

#include "config/admin_token.h"
#include "config/fields.h"
#include "config/invalid.h"
#include "config/secret.h"
#include "config/settings.h"
#include "config/settings_file.h"
#include "config/version.h"

namespace quota::config {
namespace {

constexpr std::string_view kPrefix = "QUOTAD_";
// Variables that are no setting of that name: the file of settings, and the secrets.
constexpr std::array<std::string_view, 5> kNoFields = {
    "QUOTAD_CONFIG", "QUOTAD_ADMIN_TOKEN", "QUOTAD_STORE_PASSWORD", "QUOTAD_EVENTS_HASH_KEY",
    "QUOTAD_WEBHOOK_SECRET"};

constexpr size_t kShortestKey = 16;

struct Flags {
  std::optional<std::string> config;
  bool check_only = false;
  std::map<const Field*, std::string> values;
};

// Kubernetes describes every service of a namespace to every pod in the environment; a service
// called quotad or quotad-admin must not keep quotad from starting.
bool is_service_link(std::string_view name) {
  return name.ends_with("_SERVICE_HOST") || name.find("_SERVICE_PORT") != std::string_view::npos ||
         name.ends_with("_PORT") || name.find("_PORT_") != std::string_view::npos;
}

absl::Status refuse_unknown_variables() {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view name = *entry;
    name = name.substr(0, name.find('='));
    if (!name.starts_with(kPrefix) || is_service_link(name)) continue;
    if (std::ranges::count(kNoFields, name) > 0) continue;
    const bool known = std::ranges::any_of(
        fields(), [&](const Field& field) { return variable_of(field) == name; });
    if (!known) {
      return invalid("{}: there is no such setting; unset the variable, or see quotad --help",
                     name);
    }
  }
  return absl::OkStatus();
}

absl::Status read_environment(Settings& settings) {
  if (absl::Status status = refuse_unknown_variables(); !status.ok()) return status;
  for (const Field& field : fields()) {
    const std::string variable = variable_of(field);
    const char* text = std::getenv(variable.c_str());
    if (text == nullptr) continue;
    if (absl::Status status = assign(field, text, settings); !status.ok()) {
      return located(status, variable);
    }
  }
  return absl::OkStatus();
}

absl::Status apply_flags(const Flags& flags, Settings& settings) {
  for (const auto& [field, text] : flags.values) {
    // Everybody on the host can read the arguments of a process.
    if (const auto store = parse_store(text);
        field->name == "store" && store.ok() && store->redis && !store->redis->password.empty()) {
      return invalid(
          "--store: a password on the command line is shown to every user of this host; put it "
          "into "
          "a file for --store-password-file, or into QUOTAD_STORE_PASSWORD");
    }
    if (field->name == "webhook_url" && text.find('?') != std::string::npos) {
      return invalid(
          "--webhook-url: a query on the command line is shown to every user of this host; put the "
          "URL into quotad.yaml or QUOTAD_WEBHOOK_URL");
    }
    if (absl::Status status = assign(*field, text, settings); !status.ok()) {
      return located(status, flag_of(*field));
    }
  }
  return absl::OkStatus();
}

void declare_flags(CLI::App& app, Flags& flags) {
  app.set_help_flag("-h,--help", "say this and leave");
  app.set_version_flag("--version", fmt::format("quotad {}", kVersion), "say which one and leave");
  app.add_flag("--check", flags.check_only, "validate settings and policy, start nothing");
  app.add_option("--config", flags.config, "quotad.yaml")->type_name("FILE");
  const Settings defaults;
  for (const Field& field : fields()) {
    const std::string standard = to_text(field, defaults);
    app.add_option_function<std::string>(
           flag_of(field),
           [&flags, &field](const std::string& text) { flags.values[&field] = text; },
           fmt::format("{}{}", field.help, standard.empty() ? "" : " [" + standard + "]"))
        ->type_name(std::string(field.value))
        ->group(std::string(field.group));
  }
  app.get_formatter()->column_width(34);
  app.footer(
      "Each setting is also a key of the file (threads: 2) and a variable (QUOTAD_THREADS=2).\n"
      "A flag wins over a variable, and a variable over the file.");
}

absl::Status read_secrets(ParsedArguments& parsed) {
  Settings& settings = parsed.settings;
  struct Secret {
    const char* setting;
    const char* variable;
    const std::string& path;
    std::string& value;
    size_t shortest;
  };
  const Secret secrets[] = {{"store_password_file", "QUOTAD_STORE_PASSWORD",
                             settings.store_password_file, settings.store_password, 0},
                            {"events_hash_key_file", "QUOTAD_EVENTS_HASH_KEY",
                             settings.events_hash_key_file, settings.events_hash_key, kShortestKey},
                            {"webhook_secret_file", "QUOTAD_WEBHOOK_SECRET",
                             settings.webhook_secret_file, settings.webhook_secret, kShortestKey}};
  for (const Secret& secret : secrets) {
    auto value = read_secret({.setting = secret.setting,
                              .variable = secret.variable,
                              .path = secret.path,
                              .value = std::getenv(secret.variable)},
                             parsed.warnings);
    if (!value.ok()) return value.status();
    if (value->has_value() && (*value)->size() < secret.shortest) {
      return invalid(
          "{}: the secret must have {} characters or more, for example from: openssl "
          "rand -hex 32",
          secret.path.empty() ? secret.variable : secret.setting, secret.shortest);
    }
    secret.value = value->value_or("");
  }
  return absl::OkStatus();
}

absl::Status read_sources(const Flags& flags, ParsedArguments& parsed) {
  Settings& settings = parsed.settings;
  const char* config = std::getenv("QUOTAD_CONFIG");
  settings.config = flags.config.value_or(config == nullptr ? "" : config);
  if (!settings.config.empty()) {
    absl::Status status = read_settings_file(settings.config, settings);
    if (!status.ok()) return status;
  }
  if (absl::Status status = read_environment(settings); !status.ok()) return status;
  if (absl::Status status = apply_flags(flags, settings); !status.ok()) return status;
  settings.check_only = flags.check_only;
  auto token = read_admin_token(settings.admin_token_file, std::getenv("QUOTAD_ADMIN_TOKEN"),
                                parsed.warnings);
  if (!token.ok()) return token.status();
  settings.admin_token = *std::move(token);
  return read_secrets(parsed);
}

}  // namespace

absl::StatusOr<ParsedArguments> parse_arguments(int argc, const char* const* argv) {
  CLI::App app{"quotad decides how much of an API each consumer may use.", "quotad"};
  Flags flags;
  declare_flags(app, flags);
  ParsedArguments parsed;
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    parsed.exit_code = 0;
    parsed.output = app.help();
    return parsed;
  } catch (const CLI::CallForVersion& version) {
    parsed.exit_code = 0;
    parsed.output = std::string(version.what()) + "\n";
    return parsed;
  } catch (const CLI::ParseError& error) {
    return invalid("{}; quotad --help lists what can be set", error.what());
  }
  if (absl::Status status = read_sources(flags, parsed); !status.ok()) return status;
  return parsed;
}

}  // namespace quota::config
