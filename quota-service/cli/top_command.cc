#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>

#include "cli/admin_client.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace quota::cli {
namespace {

constexpr std::chrono::milliseconds kRefresh{1000};

struct TopOptions {
  int limit = 20;
  bool once = false;
};

// "#####.....  53 %" of what is left.
std::string bar(const Json& state) {
  if (state.is_null()) return "-";
  const double limit = state.at("limit");
  const double left =
      limit > 0 ? std::clamp(state.at("remaining").get<double>() / limit, 0., 1.) : 0;
  constexpr int kCells = 10;
  const auto full = static_cast<int>(std::lround(left * kCells));
  return fmt::format("{:#<{}}{:.<{}} {:3.0f} %", "", full, "", kCells - full, left * 100);
}

std::string page(const Json& top) {
  const Json& totals = top.at("totals");
  std::string text = fmt::format(
      "{:.1f} requests per second; in the last {} s {} requests, {} denied, {} consumers\n\n",
      totals.at("per_second").get<double>(), top.at("window_s").get<int>(),
      totals.at("requests").get<uint64_t>(), totals.at("denied").get<uint64_t>(),
      totals.at("consumers").get<uint64_t>());
  if (top.at("top").empty()) {
    return text + "Nobody has asked for anything, or quotad's setting usage is off.\n";
  }
  Table table(
      {"CONSUMER", "TIER", "PER S", "REQUESTS", "DENIED", "COST", "MINUTE LEFT", "MONTH LEFT"});
  for (const Json& entry : top.at("top")) {
    const Json& consumer = entry.at("consumer");
    table.add({consumer.is_null() ? "(anonymous)" : consumer.get<std::string>(), entry.at("tier"),
               fmt::format("{:.1f}", entry.at("per_second").get<double>()),
               entry.at("requests").dump(), entry.at("denied").dump(), entry.at("cost").dump(),
               bar(entry.at("minute")), bar(entry.at("month"))});
  }
  return text + table.to_string();
}

absl::Status print_once(const Session& session, const AdminClient& client,
                        const std::string& path) {
  const auto top = client.get(path);
  if (!top.ok()) return top.status();
  if (session.json) {
    print_json(*top);
  } else {
    fmt::print("{}", page(*top));
  }
  std::fflush(stdout);
  return absl::OkStatus();
}

// A quotad that is away for a moment is said, and waited for.
void live(const AdminClient& client, const std::string& path, const Json& first) {
  Terminal terminal;
  for (std::string text = page(first);;) {
    terminal.show(text + "\nq leaves.\n");
    if (!terminal.wait(kRefresh)) return;
    const auto top = client.get(path);
    text = top.ok() ? page(*top) : std::string(top.status().message()) + "\n";
  }
}

absl::StatusOr<ExitCode> top(const Session& session, const TopOptions& options) {
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  const std::string path = fmt::format("/v1/top?limit={}", options.limit);
  if (!options.once && !session.json && Terminal::is_there()) {
    const auto first = client->get(path);
    if (!first.ok()) return first.status();
    live(*client, path, *first);
    return kOk;
  }
  for (;;) {
    if (absl::Status status = print_once(session, *client, path); !status.ok()) return status;
    if (options.once) return kOk;
    std::this_thread::sleep_for(kRefresh);
    if (!session.json) fmt::print("\n");
  }
}

}  // namespace

void add_top_command(CLI::App& app, Session& session) {
  CLI::App* const command = app.add_subcommand(
      "top", "watch who asks most, and what they have left; needs usage: on; q leaves");
  const auto options = std::make_shared<TopOptions>();
  command->add_option("--limit", options->limit, "how many consumers [20]")
      ->type_name("N")
      ->check(CLI::Validator(CLI::Range(1, 100)).description(""));
  command->add_flag("--once", options->once, "say it once and leave");
  command->callback([&session, options] {
    session.command = [&session, options] { return top(session, *options); };
  });
}

}  // namespace quota::cli
