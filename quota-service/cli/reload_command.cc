#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/admin_client.h"
#include "cli/session.h"

namespace quota::cli {
namespace {

absl::StatusOr<ExitCode> reload(const Session& session) {
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  const auto loaded = client->post("/v1/reload", Json::object());
  if (!loaded.ok()) return loaded.status();
  if (session.json) {
    print_json(*loaded);
  } else {
    fmt::print("policy {} is in force\n", loaded->value("hash", "?"));
  }
  return kOk;
}

}  // namespace

void add_reload_command(CLI::App& app, Session& session) {
  app.add_subcommand("reload", "make quotad read its policy again")->callback([&session] {
    session.command = [&session] { return reload(session); };
  });
}

}  // namespace quota::cli
