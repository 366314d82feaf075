#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/time.h"
#include "cli/admin_client.h"
#include "cli/amounts.h"
#include "cli/facts.h"
#include "cli/session.h"
#include "cli/table.h"

namespace quota::cli {
namespace {

Json body_of(const Facts& facts) {
  Json body = {{"method", facts.method}, {"path", facts.path}, {"hits", facts.hits}};
  const std::pair<const char*, const std::string*> optional[] = {{"client_ip", &facts.client_ip},
                                                                 {"consumer", &facts.consumer},
                                                                 {"tier", &facts.tier},
                                                                 {"api_key", &facts.api_key},
                                                                 {"bearer", &facts.bearer}};
  for (const auto& [name, value] : optional) {
    if (!value->empty()) body[name] = *value;
  }
  if (!facts.attribute_map.empty()) body["attributes"] = facts.attribute_map;
  return body;
}

void print_as_table(const Json& said) {
  const int64_t now_ms = read_clocks().unix_us / 1000;
  const Json& endpoint = said.at("endpoint");
  const Json& decision = said.at("decision");
  Table table;
  table.add({"Who", said.at("identity").at("why")});
  table.add(
      {"Rule", fmt::format("{}: costs {}, {} requested, {} in all",
                           endpoint.at("rule").get<std::string>(), amount(endpoint.at("cost")),
                           amount(endpoint.at("hits")), amount(endpoint.at("total_cost")))});
  table.add(
      {"Limits", limits_text(said.at("limits")) + (said.value("limits_overridden", false)
                                                       ? ", changed by an attribute of the request"
                                                       : "")});
  table.add({"Minute", state_text(decision.at("minute"), now_ms)});
  table.add({"Month", state_text(decision.at("month"), now_ms)});
  table.add({"Mode", said.at("mode")});
  table.add({"Now", fmt::format("{}. {}", decision.at("outcome").get<std::string>(),
                                decision.at("why").get<std::string>())});
  if (decision.value("shadow", false)) {
    table.add({"Shadow", "it would be denied if the policy were enforced"});
  }
  fmt::print("{}", table.to_string());
}

absl::StatusOr<ExitCode> explain(const Session& session, Facts& facts) {
  if (absl::Status status = facts.complete(); !status.ok()) return status;
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  const auto said = client->post("/v1/explain", body_of(facts));
  if (!said.ok()) return said.status();
  if (session.json) {
    print_json(*said);
  } else {
    print_as_table(*said);
  }
  return kOk;
}

}  // namespace

void add_explain_command(CLI::App& app, Session& session) {
  CLI::App* const command = app.add_subcommand(
      "explain", "say what would be decided about a request and why; takes nothing");
  const auto facts = std::make_shared<Facts>();
  facts->add_options(*command);
  command->callback([&session, facts] {
    session.command = [&session, facts] { return explain(session, *facts); };
  });
}

}  // namespace quota::cli
