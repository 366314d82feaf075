#include "cli/facts.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/secrets.h"

namespace quota::cli {

void Facts::add_options(CLI::App& command) {
  command.add_option("--method", method, "method of the request [GET]");
  command.add_option("--path", path, "its path, without the query")->required();
  command.add_option("--ip", client_ip, "address of the client");
  command.add_option("--consumer", consumer, "consumer that the gateway names");
  command.add_option("--tier", tier, "tier that the gateway names");
  command.add_option("--attribute", attributes, "another attribute of the gateway; repeatable")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command
      .add_option("--api-key-file", api_key_file,
                  "file with the API key, - for standard input; or QUOTACTL_API_KEY holds it")
      ->type_name("FILE");
  command
      .add_option("--bearer-file", bearer_file,
                  "file with the bearer token, - for standard input; or QUOTACTL_BEARER holds it")
      ->type_name("FILE");
  command.add_option("--hits", hits, "how many such requests at once [1]")
      ->type_name("N")
      ->check(CLI::Validator(CLI::Range(1, 1'000'000)).description(""));
}

absl::Status Facts::complete() {
  if (api_key_file == "-" && bearer_file == "-") {
    return absl::InvalidArgumentError(
        "standard input can hold only one of API key and bearer token; put one into a file");
  }
  auto key = read_secret(api_key_file, "QUOTACTL_API_KEY");
  if (!key.ok()) return key.status();
  api_key = *std::move(key);
  auto token = read_secret(bearer_file, "QUOTACTL_BEARER");
  if (!token.ok()) return token.status();
  bearer = *std::move(token);
  for (const std::string& attribute : attributes) {
    const size_t equals = attribute.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          fmt::format("--attribute {} is not of the form name=value", attribute));
    }
    attribute_map[attribute.substr(0, equals)] = attribute.substr(equals + 1);
  }
  return absl::OkStatus();
}

}  // namespace quota::cli
