#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include "cli/amounts.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/simulation.h"
#include "cli/table.h"
#include "cli/time_text.h"
#include "cli/traffic.h"
#include "policy/load.h"

namespace quota::cli {
namespace {

struct Options {
  std::string policy;
  std::string traffic;
  size_t limit = 20;
  double at_most = 100;
};

std::string time_or_dash(int64_t unix_us) { return unix_us == 0 ? "-" : time_text(unix_us / 1000); }

double percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

Json tally_json(const Simulation::Tally& tally) {
  return {{"requests", tally.requests},
          {"allowed", tally.allowed},
          {"exempt", tally.exempt},
          {"unauthenticated", tally.unauthenticated},
          {"denied", tally.denied()},
          {"denied_by_minute", tally.denied_by_minute},
          {"denied_by_month", tally.denied_by_month},
          {"denied_otherwise", tally.denied_otherwise},
          {"cost", units(tally.cost_milli)},
          {"first_denial",
           tally.first_denial_us == 0 ? Json() : Json(time_or_dash(tally.first_denial_us))}};
}

void show_json(const Simulation& simulation, const Options& options) {
  Json json = {{"from", time_or_dash(simulation.first_us())},
               {"to", time_or_dash(simulation.last_us())},
               {"out_of_order", simulation.late()},
               {"total", tally_json(simulation.total())},
               {"tiers", Json::object()},
               {"subjects", Json::array()}};
  for (const auto& [tier, tally] : simulation.by_tier()) json["tiers"][tier] = tally_json(tally);
  size_t shown = 0;
  for (const Simulation::Who& who : simulation.subjects()) {
    if (shown++ == options.limit) break;
    Json entry = {{who.is_consumer ? "consumer" : "client", who.name}, {"tier", who.tier}};
    entry.update(tally_json(who.tally));
    json["subjects"].push_back(std::move(entry));
  }
  print_json(json);
}

std::vector<std::string> cells(const Simulation::Tally& tally) {
  return {fmt::to_string(tally.requests),
          fmt::to_string(tally.denied()),
          fmt::format("{:.2f}", percent(tally.denied(), tally.requests)),
          fmt::to_string(tally.denied_by_minute),
          fmt::to_string(tally.denied_by_month),
          time_or_dash(tally.first_denial_us)};
}

void add_row(Table& table, std::vector<std::string> names, const Simulation::Tally& tally) {
  for (std::string& cell : cells(tally)) names.push_back(std::move(cell));
  table.add(std::move(names));
}

void show_tables(const Simulation& simulation, const Options& options) {
  const Simulation::Tally total = simulation.total();
  fmt::print("{} requests from {} to {}: {} allowed, {} exempt, {} denied ({:.2f} %)",
             total.requests, time_or_dash(simulation.first_us()),
             time_or_dash(simulation.last_us()), total.allowed, total.exempt, total.denied(),
             percent(total.denied(), total.requests));
  if (total.unauthenticated > 0) fmt::print(", {} refused as unknown", total.unauthenticated);
  fmt::print("\n\n");

  Table tiers({"TIER", "REQUESTS", "DENIED", "%", "MINUTE", "MONTH", "FIRST DENIAL"});
  for (const auto& [tier, tally] : simulation.by_tier()) add_row(tiers, {tier}, tally);
  fmt::print("{}\n", tiers.to_string());

  const std::vector<Simulation::Who> all = simulation.subjects();
  Table table({"WHO", "TIER", "REQUESTS", "DENIED", "%", "MINUTE", "MONTH", "FIRST DENIAL"});
  size_t denied = 0;
  for (const Simulation::Who& who : all) {
    if (who.tally.denied() == 0) break;
    if (denied++ < options.limit) add_row(table, {who.name, who.tier}, who.tally);
  }
  if (denied == 0) {
    fmt::print("Nobody of {} would be denied anything.\n", all.size());
  } else {
    fmt::print("{} of {} would be denied something:\n\n{}", denied, all.size(), table.to_string());
    if (denied > options.limit) {
      fmt::print("and {} more; --limit shows more of them\n", denied - options.limit);
    }
  }
  if (simulation.late() > 0) {
    fmt::print(stderr,
               "quotactl: {} requests came more than a second after later ones; they counted as of "
               "those. Sort the traffic by time for an exact answer.\n",
               simulation.late());
  }
}

absl::StatusOr<ExitCode> simulate(const Session& session, const Options& options) {
  const auto policy = policy::load_policy_file(options.policy);
  if (!policy.ok()) return policy.status();

  const bool is_stdin = options.traffic == "-";
  std::ifstream file;
  uint64_t size = 0;
  if (!is_stdin) {
    std::error_code error;
    size = std::filesystem::file_size(options.traffic, error);
    file.open(options.traffic, std::ios::binary);
    if (error || !file) {
      return absl::NotFoundError(
          fmt::format("cannot read {}: {}", options.traffic,
                      error ? error.message() : std::string("it does not open")));
    }
  }
  auto traffic = TrafficReader::open(is_stdin ? std::cin : file,
                                     is_stdin ? "standard input" : options.traffic);
  if (!traffic.ok()) return traffic.status();

  Simulation simulation(**policy);
  {
    Progress progress("Reading " + traffic->name(), size);
    while (true) {
      const auto there = traffic->next();
      if (!there.ok()) return there.status();
      if (!*there) break;
      simulation.add(traffic->request(), traffic->unix_us());
      progress.at(traffic->bytes_read());
    }
  }
  if (session.json) {
    show_json(simulation, options);
  } else {
    show_tables(simulation, options);
  }
  const Simulation::Tally total = simulation.total();
  return percent(total.denied(), total.requests) > options.at_most ? kDenied : kOk;
}

}  // namespace

void add_simulate_command(CLI::App& app, Session& session) {
  CLI::App* const command = app.add_subcommand(
      "simulate", "say what a policy would have done to recorded traffic; needs no quotad");
  const auto options = std::make_shared<Options>();
  command->add_option("POLICY", options->policy, "policy.yaml")->required()->type_name("");
  command->add_option("TRAFFIC", options->traffic, "comma-separated values; - for standard input")
      ->required()
      ->type_name("");
  command->add_option("--limit", options->limit, "show so many of those who are denied [20]")
      ->type_name("N");
  command
      ->add_option("--at-most", options->at_most,
                   "leave with 2 when more than so many percent are denied [100]")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("PERCENT");
  command->footer(
      "The first line of TRAFFIC names its columns:\n" + TrafficReader::columns_help() +
      "The policy is enforced whatever its mode is, and consumer and tier are believed.");
  command->callback([&session, options] {
    session.command = [&session, options] { return simulate(session, *options); };
  });
}

}  // namespace quota::cli
