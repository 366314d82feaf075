#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>

#include "cli/admin_client.h"
#include "cli/event_line.h"
#include "cli/session.h"

namespace quota::cli {
namespace {

constexpr size_t kPage = 500;

volatile std::sig_atomic_t g_is_told_to_end = 0;

struct TailOptions {
  bool denied = false;
  std::string consumer;
  int64_t interval_ms = 500;
  size_t last = 10;
};

void sleep_ms(int64_t ms) {
  // A signal ends it.
  const timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1'000'000};
  nanosleep(&time, nullptr);
}

// Follows the events of one quotad, also of a later one at the same address.
class Follower {
 public:
  Follower(const Session& session, const TailOptions& options, AdminClient client)
      : is_json_(session.json), options_(options), client_(std::move(client)) {}

  absl::StatusOr<ExitCode> run() {
    while (g_is_told_to_end == 0) {
      const auto page = client_.get(path());
      if (!page.ok()) {
        if (!may_try_again(page.status())) return page.status();
        sleep_ms(options_.interval_ms);
        continue;
      }
      is_lost_ = false;
      const bool is_more = take(*page);
      if (std::fflush(stdout) != 0) return kOk;  // nobody reads any more
      if (!is_more) sleep_ms(options_.interval_ms);
    }
    return kOk;
  }

 private:
  std::string path() const {
    std::string path = "/v1/events?limit=";
    if (instance_.empty()) {
      path += std::to_string(std::min(options_.last, kPage));
    } else {
      path += fmt::format("{}&after={}", kPage, after_);
    }
    if (options_.denied) path += "&denied=true";
    if (!options_.consumer.empty()) path += "&consumer=" + percent_encode(options_.consumer);
    return path;
  }

  // A quotad that was never there may be an address that is wrong.
  bool may_try_again(const absl::Status& status) {
    if (instance_.empty() || status.code() != absl::StatusCode::kUnavailable) return false;
    if (!is_lost_) fmt::print(stderr, "quotactl: cannot reach quotad, trying again\n");
    return is_lost_ = true;
  }

  // Whether there is more to be had at once.
  bool take(const Json& page) {
    const auto instance = page.at("instance").get<std::string>();
    const bool is_first = instance_.empty();
    if (!is_first && instance != instance_) {
      fmt::print(stderr, "quotactl: quotad restarted\n");
      instance_ = instance;
      after_ = 0;
      return true;
    }
    instance_ = instance;
    after_ = page.at("next").get<uint64_t>();
    if (const auto missed = page.at("missed").get<uint64_t>(); missed > 0) {
      fmt::print(stderr, "quotactl: {} events missed\n", missed);
    }
    const Json& events = page.at("events");
    for (const Json& event : events) {
      const std::string line =
          is_json_ ? event.dump(-1, ' ', false, Json::error_handler_t::replace) : event_line(event);
      std::fputs((line + "\n").c_str(), stdout);
    }
    return !is_first && events.size() == kPage;
  }

  const bool is_json_;
  const TailOptions options_;
  const AdminClient client_;
  std::string instance_;  // empty: nothing was heard of it yet
  uint64_t after_ = 0;
  bool is_lost_ = false;
};

absl::StatusOr<ExitCode> tail(const Session& session, const TailOptions& options) {
  auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  struct sigaction end {};
  end.sa_handler = [](int) { g_is_told_to_end = 1; };
  for (const int number : {SIGINT, SIGTERM}) sigaction(number, &end, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return Follower(session, options, *std::move(client)).run();
}

}  // namespace

void add_tail_command(CLI::App& app, Session& session) {
  CLI::App* const command =
      app.add_subcommand("tail", "show decisions as they are made: denials, samples, thresholds");
  const auto options = std::make_shared<TailOptions>();
  command->add_flag("--denied", options->denied, "denials only");
  command->add_option("--consumer", options->consumer, "only those of this one")->type_name("ID");
  command->add_option("--last", options->last, "begin with so many that are there already [10]")
      ->check(CLI::Range(size_t{0}, kPage))
      ->type_name("N");
  command->add_option("--interval", options->interval_ms, "how often to ask, such as 2s [500ms]")
      ->transform(CLI::AsNumberWithUnit(
          std::map<std::string, int64_t>{{"ms", 1}, {"s", 1000}},
          CLI::AsNumberWithUnit::Options(CLI::AsNumberWithUnit::CASE_SENSITIVE |
                                         CLI::AsNumberWithUnit::UNIT_REQUIRED),
          "TIME"))
      ->check(CLI::Range(int64_t{10}, int64_t{3'600'000}))
      ->type_name("TIME");
  command->callback([&session, options] {
    session.command = [&session, options] { return tail(session, *options); };
  });
}

}  // namespace quota::cli
