#include "backend.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "identity/full_directory.h"
#include "identity/partial_directory.h"
#include "store/local_store.h"
#include "store/local_usage.h"
#include "store/redis_consumers.h"
#include "store/redis_mode.h"
#include "store/redis_store.h"
#include "store/redis_usage.h"

namespace quota {
namespace {

class LocalBackend final : public Backend {
 public:
  LocalBackend(std::unique_ptr<store::LocalStore> store, std::unique_ptr<store::LocalUsage> usage)
      : store_(std::move(store)), usage_(std::move(usage)) {}

  engine::Store& store() override { return *store_; }
  store::ConsumerStore& consumers() override { return *store_; }
  usage::UsageStore* usage() override { return usage_.get(); }
  store::ModeStore& modes() override { return *store_; }

  identity::Directory& directory() override { return directory_; }

  absl::Status start(engine::Engine& engine) override {
    const auto consumers = store_->load_consumers();
    if (!consumers.ok()) return consumers.status();
    for (const policy::Consumer& consumer : *consumers) directory_.put(consumer);
    const auto buckets = store_->take_buckets();
    if (!buckets.ok()) return buckets.status();
    engine.restore(*buckets, read_clocks());
    store_->start(&engine);
    return absl::OkStatus();
  }

  absl::Status close(engine::Engine& engine) override {
    return store_->close(engine.close(read_clocks()));
  }

  absl::StatusOr<int64_t> month_used(std::string subject, int32_t period) override {
    return store_->month_mark({std::move(subject), period});
  }

  admin::StoreCollector::Sample sample() const override {
    const store::LocalStore::Stats stats = store_->stats();
    return {.up = stats.up,
            .degraded = !stats.up,
            .requests = {{"record", "ok", stats.requests},
                         {"record", "refused", stats.refused},
                         {"write", "ok", stats.batches},
                         {"write", "error", stats.failures}}};
  }

 private:
  const std::unique_ptr<store::LocalStore> store_;
  const std::unique_ptr<store::LocalUsage> usage_;
  identity::FullDirectory directory_;
};

class RedisBackend final : public Backend {
 public:
  absl::Status open(store::RedisStoreOptions options, store::RedisEventsOptions events,
                    bool keeps_usage) {
    std::unique_ptr<store::UsageJournal> journal;
    if (keeps_usage && !options.journal.empty()) {
      auto opened = store::UsageJournal::open(options.journal + ".usage");
      if (!opened.ok()) {
        return {opened.status().code(), absl::StrCat("store_journal: ", opened.status().message())};
      }
      journal = *std::move(opened);
    }
    options.on_open = [&, this](uv_loop_t* loop, redis::Client& client) {
      consumers_ = std::make_unique<store::RedisConsumers>(loop, client, directory_);
      mode_ = std::make_unique<store::RedisMode>(loop, client);
      event_calls_ = std::make_unique<store::RedisCalls>(loop, client);
      if (!keeps_usage) return;
      usage_ = std::make_unique<store::RedisUsage>(loop, client, std::move(journal));
    };
    options.on_close = [this] {
      consumers_->close();
      mode_->close();
      event_calls_->close();
      if (usage_ != nullptr) usage_->shut();
    };
    events_ = std::make_unique<store::RedisEvents>(events, [this](store::RedisCalls::Call call) {
      return event_calls_->send(std::move(call));
    });
    auto store = store::RedisStore::open(std::move(options));
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    return usage_ != nullptr ? usage_->load() : absl::OkStatus();
  }

  engine::Store& store() override { return *store_; }
  store::ConsumerStore& consumers() override { return *consumers_; }
  usage::UsageStore* usage() override { return usage_.get(); }
  store::ModeStore& modes() override { return *mode_; }
  identity::Directory& directory() override { return directory_; }
  store::RedisEvents* events() override { return events_.get(); }

  absl::Status start(engine::Engine& engine) override {
    store_->start(&engine);
    // No decision is made in the policy's mode while Redis knows another.
    constexpr std::chrono::seconds kPatience{2};
    if (store_->healthy() && !mode_->wait_until_known(kPatience)) {
      spdlog::warn("Redis has not said which mode is set; until it does, the policy's rules");
    }
    return absl::OkStatus();
  }

  absl::Status close(engine::Engine& engine) override {
    engine.close(read_clocks());
    return store_->close();
  }

  absl::StatusOr<int64_t> month_used(std::string subject, int32_t period) override {
    return store_->month_used({std::move(subject), period});
  }

  admin::StoreCollector::Sample sample() const override {
    const store::RedisStore::Stats stats = store_->stats();
    return {.up = stats.up,
            .degraded = !stats.up || stats.is_paused || stats.is_refused,
            .requests = {{"lease", "ok", stats.granted},
                         {"lease", "timeout", stats.timeouts},
                         {"lease", "error", stats.failed},
                         {"settle", "ok", stats.settled},
                         {"journal", "ok", stats.journalled},
                         {"reset", "noticed", stats.resets},
                         {"connect", "ok", stats.connects}},
            .bounds_us = {store::kCallBoundsUs.begin(), store::kCallBoundsUs.end()},
            .durations = {stats.calls.begin(), stats.calls.end()},
            .duration_sum_us = stats.call_us};
  }

 private:
  identity::PartialDirectory directory_;
  // These outlive the client that they use, which is the store's.
  std::unique_ptr<store::RedisConsumers> consumers_;
  std::unique_ptr<store::RedisCalls> event_calls_;
  std::unique_ptr<store::RedisEvents> events_;
  std::unique_ptr<store::RedisUsage> usage_;
  std::unique_ptr<store::RedisMode> mode_;
  std::unique_ptr<store::RedisStore> store_;
};

store::RedisStoreOptions redis_options(const config::Settings& settings, redis::Url url) {
  if (!settings.store_password.empty()) url.password = settings.store_password;
  return {.client = {.url = std::move(url),
                     .ca_file = settings.store_tls_ca,
                     .cert_file = settings.store_tls_cert,
                     .key_file = settings.store_tls_key,
                     .server_name = settings.store_tls_server_name,
                     .command_timeout_us = int64_t{settings.store_command_timeout_ms} * 1000},
          .lease_ttl_us = int64_t{settings.store_lease_ttl_ms} * 1000,
          .idle_retention_us = settings.idle_retention_s * 1'000'000,
          .journal = settings.store_journal == "off" ? "" : settings.store_journal};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> Backend::open(const config::Settings& settings) {
  auto address = config::parse_store(settings.store);
  if (!address.ok()) return address.status();
  const bool keeps_usage = settings.usage == "on";
  if (!address->redis) {
    auto store = store::LocalStore::open(address->path);
    if (!store.ok()) return store.status();
    std::unique_ptr<store::LocalUsage> usage;
    if (keeps_usage) {
      auto opened = store::LocalUsage::open(address->path + ".usage");
      if (!opened.ok()) return opened.status();
      usage = *std::move(opened);
    }
    return std::make_unique<LocalBackend>(*std::move(store), std::move(usage));
  }
  auto backend = std::make_unique<RedisBackend>();
  absl::Status status = backend->open(
      redis_options(settings, *std::move(address->redis)),
      {.streams = settings.events_streams, .maxlen = settings.events_maxlen}, keeps_usage);
  if (!status.ok()) return status;
  return backend;
}

}  // namespace quota
