#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/time.h"
#include "cli/admin_client.h"
#include "cli/amounts.h"
#include "cli/session.h"
#include "cli/table.h"

namespace quota::cli {
namespace {

void print_quota(const Session& session, const Json& quota) {
  if (session.json) return print_json(quota);
  const int64_t now_ms = read_clocks().unix_us / 1000;
  const Json& used = quota.at("used_this_month");
  Table table;
  table.add({"Consumer", quota.at("consumer")});
  table.add({"Tier", quota.at("tier").is_null() ? "-" : quota.at("tier").get<std::string>()});
  table.add({"Limits", limits_text(quota.at("limits"))});
  table.add({"Minute", state_text(quota.at("minute"), now_ms)});
  table.add({"Month", state_text(quota.at("month"), now_ms)});
  table.add({"Used this month", used.is_null() ? "not known" : amount(used)});
  if (quota.value("degraded", false)) table.add({"Degraded", "the store does not answer"});
  fmt::print("{}", table.to_string());
}

absl::StatusOr<ExitCode> get(const Session& session, const std::string& consumer) {
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  const auto quota = client->get("/v1/quota/" + percent_encode(consumer));
  if (!quota.ok()) return quota.status();
  print_quota(session, *quota);
  return kOk;
}

absl::StatusOr<ExitCode> reset(const Session& session, const std::string& consumer) {
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  const auto quota =
      client->post("/v1/quota/" + percent_encode(consumer) + "/reset", Json::object());
  if (!quota.ok()) return quota.status();
  print_quota(session, *quota);
  return kOk;
}

}  // namespace

void add_quota_commands(CLI::App& app, Session& session) {
  const auto add = [&](const char* name, const char* help, auto run) {
    CLI::App* const command = app.add_subcommand(name, help);
    const auto consumer = std::make_shared<std::string>();
    command->add_option("CONSUMER", *consumer, "its id")->required()->type_name("");
    command->callback([&session, consumer, run] {
      session.command = [&session, consumer, run] { return run(session, *consumer); };
    });
  };
  add("get", "show what a consumer may have, has left and has used", get);
  add("reset", "give a consumer a full minute and an unused month", reset);
}

}  // namespace quota::cli
