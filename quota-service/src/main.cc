// quotad: parses its arguments, wires its parts together, and runs until it is told to stop.

#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "admin/admin_server.h"
#include "admin/busiest.h"
#include "admin/collectors.h"
#include "admin/mode_switch.h"
#include "backend.h"
#include "config/settings.h"
#include "config/version.h"
#include "doors.h"
#include "engine/caretaker.h"
#include "engine/engine.h"
#include "eventing.h"
#include "policy/live_policy.h"
#include "policy/watcher.h"
#include "telemetry/decision_collector.h"
#include "telemetry/logging.h"
#include "usage/flusher.h"

namespace quota {
namespace {

// The signals that steer quotad, blocked in every thread and taken one by one by run().
sigset_t steering_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  return set;
}

engine::EngineOptions engine_options(const config::Settings& settings) {
  return {.max_subjects = settings.max_subjects,
          .max_anonymous = settings.max_anonymous,
          .idle_retention_us = settings.idle_retention_s * 1'000'000,
          .store_timeout_us = int64_t{settings.store_timeout_ms} * 1000,
          .lease_ttl_us = int64_t{settings.store_lease_ttl_ms} * 1000,
          .exact = settings.store_exact == "true"};
}

absl::Status reload(policy::LivePolicy& live, const char* occasion) {
  const absl::Status status = live.reload();
  if (status.ok()) {
    const auto policy = live.get();
    spdlog::info("policy {} ({}) is in force: {} tiers, {} endpoint rules, {} consumers, mode {}",
                 policy->source, policy->hash, policy->tiers.size(),
                 policy->endpoints.rules().size(), policy->consumers.size(),
                 policy::to_string(policy->mode));
  } else {
    spdlog::error("the policy was not taken up {} and the last good one stays:\n{}", occasion,
                  std::string(status.message()));
  }
  return status;
}

using Meters = std::vector<std::shared_ptr<usage::Meter>>;

// One for each thread that decides; none when no usage is kept.
Meters make_meters(const config::Settings& settings) {
  Meters meters(static_cast<size_t>(Doors::threads(settings)));
  for (auto& meter : meters) {
    if (settings.usage == "on") meter = std::make_shared<usage::Meter>();
  }
  return meters;
}

// What a running quotad is made of, besides its front doors.
struct Parts {
  policy::LivePolicy& live;
  Backend& backend;
  engine::Engine& engine;
  const Meters& meters;
  admin::ModeSwitch& mode;
  admin::Busiest& busiest;
};

// Opens the doors, and closes them when a signal says so. They are drained then but still there:
// calls that were given up may have checks in the engine, whose verdicts come when that closes.
absl::Status serve(const config::Settings& settings, Parts parts, std::unique_ptr<Doors>& doors) {
  std::vector<std::shared_ptr<telemetry::DecisionCounters>> counters;
  for (int i = 0; i < Doors::threads(settings); ++i) {
    counters.push_back(std::make_shared<telemetry::DecisionCounters>());
  }
  admin::MetricsRegistry metrics;
  metrics.add(std::make_shared<telemetry::DecisionCollector>(
      std::vector<std::shared_ptr<const telemetry::DecisionCounters>>(counters.begin(),
                                                                      counters.end())));
  metrics.add(std::make_shared<admin::EngineCollector>(parts.engine));
  metrics.add(std::make_shared<admin::PolicyCollector>(parts.live));
  metrics.add(std::make_shared<admin::StoreCollector>([&] { return parts.backend.sample(); }));
  if (usage::UsageStore* const usage = parts.backend.usage()) {
    metrics.add(std::make_shared<admin::UsageCollector>(*usage));
  }
  metrics.add(std::make_shared<admin::BuildCollector>(std::string(kVersion)));
  const auto eventing = Eventing::start(settings, parts.backend, Doors::threads(settings));
  if (!eventing.ok()) return eventing.status();
  metrics.add(std::make_shared<admin::EventCollector>([&] { return (*eventing)->sample(); }));

  const auto make_decider = [&](int thread) {
    return std::make_unique<rpc::Decider>(
        parts.engine, parts.live, parts.backend.directory(),
        rpc::Books{.counters = counters[static_cast<size_t>(thread)],
                   .meter = parts.meters[static_cast<size_t>(thread)],
                   .tap = (*eventing)->tap(thread)},
        rpc::DeciderOptions{.lookup_timeout_us = int64_t{settings.store_timeout_ms} * 1000});
  };
  auto opened = Doors::open(settings, make_decider);
  if (!opened.ok()) return opened.status();
  doors = *std::move(opened);

  std::atomic<bool> ready = true;
  std::unique_ptr<admin::AdminServer> admin;
  if (settings.admin_listen != "off") {
    const auto at = config::parse_listen(settings.admin_listen);
    if (!at.ok()) return at.status();
    auto hosts = config::parse_hosts(settings.admin_hosts);
    if (!hosts.ok()) return hosts.status();
    hosts->push_back(at->host);
    admin = std::make_unique<admin::AdminServer>(
        admin::AdminDeps{.policy = parts.live,
                         .directory = parts.backend.directory(),
                         .consumers = parts.backend.consumers(),
                         .engine = parts.engine,
                         .mode = parts.mode,
                         .top = parts.busiest,
                         .metrics = metrics,
                         .ready = ready,
                         .reload = [&] { return reload(parts.live, "on request"); },
                         .month_used =
                             [&](std::string subject, int32_t period) {
                               return parts.backend.month_used(std::move(subject), period);
                             },
                         .usage = parts.backend.usage(),
                         .events = &(*eventing)->history(),
                         .renderer = &(*eventing)->renderer()},
        admin::AdminSettings{.host = at->host,
                             .port = at->port,
                             .token = settings.admin_token,
                             .hosts = *std::move(hosts)});
    if (const absl::Status status = admin->start(); !status.ok()) {
      doors->drain(std::chrono::milliseconds(0));
      return status;
    }
  }
  const auto policy = parts.live.get();
  spdlog::info("quotad {} listens on {} ({} thread{}), admin on {}, store {}, policy {} ({})",
               kVersion, settings.listen, settings.threads, settings.threads == 1 ? "" : "s",
               settings.admin_listen, config::parse_store(settings.store)->text(), policy->source,
               policy->hash);

  const sigset_t signals = steering_signals();
  for (int number = 0; number != SIGTERM && number != SIGINT;) {
    sigwait(&signals, &number);
    if (number == SIGHUP) (void)reload(parts.live, "after SIGHUP");
  }
  spdlog::info("stopping: calls under way have {} ms to end", settings.drain_timeout_ms);
  ready = false;
  doors->drain(std::chrono::milliseconds(settings.drain_timeout_ms));
  if (admin != nullptr) admin->stop();
  (*eventing)->stop();
  return absl::OkStatus();
}

absl::Status run(const config::Settings& settings) {
  if (const absl::Status status = config::validate(settings); !status.ok()) return status;
  policy::LivePolicy live(settings.policy);
  // Watched before it is read, so that no change falls in between.
  std::unique_ptr<policy::Watcher> watcher;
  if (!settings.policy.empty() && !settings.check_only) {
    watcher = std::make_unique<policy::Watcher>(settings.policy, settings.policy_poll_ms, [&] {
      (void)reload(live, "after its file changed");
    });
  }
  if (const absl::Status status = live.reload(); !status.ok()) return status;
  if (settings.check_only) {
    std::printf("configuration and policy are valid\n");
    return absl::OkStatus();
  }

  const auto backend = Backend::open(settings);
  if (!backend.ok()) return backend.status();
  engine::Engine engine(engine_options(settings), (*backend)->store());
  if (absl::Status status = (*backend)->start(engine); !status.ok()) return status;
  admin::ModeSwitch mode(live, (*backend)->modes());
  auto caretaker = std::make_unique<engine::Caretaker>(engine);
  const Meters meters = make_meters(settings);
  admin::Busiest busiest;
  std::unique_ptr<usage::Flusher> flusher;
  if (usage::UsageStore* const usage = (*backend)->usage()) {
    flusher = std::make_unique<usage::Flusher>(meters, *usage, [&](const usage::Row& row) {
      busiest.add(row.key.consumer, row.tier, row.amount.requests, row.amount.denials,
                  row.amount.cost_milli, read_clocks().mono_us);
    });
    flusher->start();
  }

  // Followed before a door is open, so that nothing is decided in another mode than the one set.
  absl::Status served = mode.follow();
  std::unique_ptr<Doors> doors;
  if (served.ok())
    served = serve(settings, {live, **backend, engine, meters, mode, busiest}, doors);

  // Whatever went wrong by now: what was taken out of the store goes back into it.
  watcher.reset();
  caretaker.reset();
  if (flusher != nullptr) flusher->stop();
  absl::Status closed = (*backend)->close(engine);
  if (flusher != nullptr) {
    // What waited for the store was decided as that was closed.
    flusher->flush(read_clocks().unix_us);
    closed.Update((*backend)->usage()->close());
  }
  if (!served.ok()) return served;
  if (closed.ok()) spdlog::info("stopped; every count is saved");
  return closed;
}

}  // namespace
}  // namespace quota

int main(int argc, char** argv) {
  const auto parsed = quota::config::parse_arguments(argc, argv);
  if (!parsed.ok()) {
    std::fprintf(stderr, "quotad: %s\n", std::string(parsed.status().message()).c_str());
    return EXIT_FAILURE;
  }
  if (parsed->exit_code) {
    std::fputs(parsed->output.c_str(), stdout);
    return *parsed->exit_code;
  }
  // gRPC's own threads, which serve health checks and reflection, would share one epoll set with
  // those that decide, take every other message off the socket and hand it over: two more context
  // switches. With poll each thread waits for its own connections, of which there are few.
  setenv("GRPC_POLL_STRATEGY", "poll", 0);
  // Debian's abseil follows the order in which all mutexes are taken, gRPC's and its own, to report
  // what might deadlock: six percent of what quotad does under load.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // A client that goes away must not end quotad.
  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = quota::steering_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  quota::telemetry::set_up_logging(parsed->settings.log_level, parsed->settings.log_format);
  for (const std::string& warning : parsed->warnings) spdlog::warn("{}", warning);
  if (const absl::Status status = quota::run(parsed->settings); !status.ok()) {
    std::fprintf(stderr, "quotad: %s\n", std::string(status.message()).c_str());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
