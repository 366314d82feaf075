#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/session.h"
#include "config/read_file.h"
#include "policy/load.h"

namespace quota::cli {
namespace {

constexpr size_t kLargest = 64 << 20;  // the loader has its own, lower limit and says so better

Json report(const std::string& file, const policy::Policy* policy, const policy::Faults& faults) {
  Json errors = Json::array();
  for (const policy::Fault& fault : faults.list()) {
    errors.push_back(
        {{"line", fault.at.line}, {"column", fault.at.column}, {"message", fault.text}});
  }
  Json json = {{"file", file}, {"valid", policy != nullptr}, {"errors", std::move(errors)}};
  if (policy != nullptr) json["hash"] = policy->hash;
  return json;
}

absl::StatusOr<ExitCode> validate(const Session& session, const std::string& file) {
  const auto text = config::read_file(file, kLargest);
  if (!text.ok()) return text.status();
  policy::Faults faults;
  const auto policy = policy::load_policy(*text, file, faults);
  if (session.json) {
    print_json(report(file, policy.get(), faults));
  } else if (policy != nullptr) {
    fmt::print("{} is valid: {} tiers, {} endpoint rules, {} consumers ({})\n", file,
               policy->tiers.size(), policy->endpoints.rules().size(), policy->consumers.size(),
               policy->hash);
  } else {
    std::string report = faults.report(file);
    if (!report.ends_with('\n')) report += '\n';
    std::fputs(report.c_str(), stderr);
  }
  return policy != nullptr ? kOk : kError;
}

}  // namespace

void add_validate_command(CLI::App& app, Session& session) {
  CLI::App* const command =
      app.add_subcommand("validate", "say everything that is wrong with a policy; needs no quotad");
  const auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "policy.yaml")->required()->type_name("");
  command->callback([&session, file] {
    session.command = [&session, file] { return validate(session, *file); };
  });
}

}  // namespace quota::cli
