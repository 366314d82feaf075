#include "backend.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

#include "identity/full_directory.h"
#include "identity/partial_directory.h"
#include "store/local_store.h"
#include "store/redis_consumers.h"
#include "store/redis_mode.h"
#include "store/redis_store.h"

namespace quota {
namespace {

class LocalBackend final : public Backend {
 public:
  explicit LocalBackend(std::unique_ptr<store::LocalStore> store) : store_(std::move(store)) {}

  engine::Store& store() override { return *store_; }
  store::ConsumerStore& consumers() override { return *store_; }
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
  identity::FullDirectory directory_;
};

class RedisBackend final : public Backend {
 public:
  absl::Status open(store::RedisStoreOptions options) {
    options.on_open = [this](uv_loop_t* loop, redis::Client& client) {
      consumers_ = std::make_unique<store::RedisConsumers>(loop, client, directory_);
      mode_ = std::make_unique<store::RedisMode>(loop, client);
    };
    options.on_close = [this] {
      consumers_->close();
      mode_->close();
    };
    auto store = store::RedisStore::open(std::move(options));
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    return absl::OkStatus();
  }

  engine::Store& store() override { return *store_; }
  store::ConsumerStore& consumers() override { return *consumers_; }
  store::ModeStore& modes() override { return *mode_; }
  identity::Directory& directory() override { return directory_; }

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
  if (!address->redis) {
    auto store = store::LocalStore::open(address->path);
    if (!store.ok()) return store.status();
    return std::make_unique<LocalBackend>(*std::move(store));
  }
  auto backend = std::make_unique<RedisBackend>();
  absl::Status status = backend->open(redis_options(settings, *std::move(address->redis)));
  if (!status.ok()) return status;
  return backend;
}

}  // namespace quota
