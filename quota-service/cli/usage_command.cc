#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "cli/admin_client.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/usage_text.h"

namespace quota::cli {
namespace {

struct UsageOptions {
  std::optional<std::string> month;
  std::optional<std::string> consumer;
  std::string by = "month";
  std::string format = "table";
};

absl::StatusOr<UsageReport> fetch(const AdminClient& client, const UsageOptions& options) {
  std::string path = "/v1/usage?by=" + percent_encode(options.by);
  if (options.consumer) path += "&consumer=" + percent_encode(*options.consumer);
  UsageReport report;
  Progress progress("Lines of usage", 0);
  // The month of the first page is that of all, whatever midnight says.
  std::optional<std::string> month = options.month;
  for (std::optional<std::string> after;;) {
    std::string page_path = path;
    if (month) page_path += "&month=" + percent_encode(*month);
    if (after) page_path += "&after=" + percent_encode(*after);
    const auto page = client.get(page_path);
    if (!page.ok()) return page.status();
    report.add(*page);
    progress.at(report.lines.size());
    month = report.month;
    const Json& next = page->at("next");
    if (next.is_null()) return report;
    after = next.get<std::string>();
  }
}

absl::StatusOr<ExitCode> usage(const Session& session, const UsageOptions& options) {
  const std::string format = session.json ? "json" : options.format;
  if (format != "table" && format != "csv" && format != "json") {
    return absl::InvalidArgumentError("--format must be table, csv or json");
  }
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  const auto report = fetch(*client, options);
  if (!report.ok()) return report.status();
  if (format == "json") {
    print_json(usage_json(*report));
  } else {
    fmt::print("{}", format == "csv" ? usage_csv(*report) : usage_table(*report));
  }
  return kOk;
}

}  // namespace

void add_usage_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<UsageOptions>();
  CLI::App* const command =
      app.add_subcommand("usage", "show what consumers have used in a month, for the bill");
  command->add_option("--month", options->month, "such as 2026-11, in UTC [this month]")
      ->type_name("MONTH");
  command->add_option("--consumer", options->consumer, "only this one; '' for anonymous clients")
      ->type_name("ID");
  command->add_option("--by", options->by, "day or month [month]")->type_name("PERIOD");
  command->add_option("--format", options->format, "table, csv or json [table]")
      ->type_name("FORMAT");
  command->callback([&session, options] {
    session.command = [&session, options] { return usage(session, *options); };
  });
}

}  // namespace quota::cli
