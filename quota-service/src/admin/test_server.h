#pragma once

#include <gtest/gtest.h>
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "admin/admin_server.h"
#include "admin/busiest.h"
#include "admin/collectors.h"
#include "base/time.h"
#include "identity/full_directory.h"

// An admin server on a free port, over a real engine and stores that live in memory.
namespace quota::admin::testing {

// Grants whatever is asked, at once, on a thread of its own.
class GrantingStore final : public engine::Store {
 public:
  ~GrantingStore() override { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    arrived_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  void start(engine::GrantSink* sink) override {
    thread_ = std::thread([this, sink] { run(*sink); });
  }

  void reserve(engine::Reserve request) override {
    const std::lock_guard lock(mutex_);
    if (silent) return;
    queue_.push_back(std::move(request));
    arrived_.notify_one();
  }

  void settle(engine::MonthKey, int64_t) override {}
  void journal(engine::MonthKey, int64_t, bool) override {}
  void reset(engine::MonthKey) override {}
  void spend(engine::MonthKey, int64_t) override {}
  bool healthy() const override { return true; }

  std::atomic<bool> silent{false};  // asked, but never answers

 private:
  void run(engine::GrantSink& sink) {
    std::unique_lock lock(mutex_);
    for (;;) {
      arrived_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      const engine::Reserve asked = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      sink.on_grants({{.month = asked.month,
                       .used = 0,
                       .mark = std::max<int64_t>(asked.used, 0) + asked.cost + asked.demand,
                       .ok = true,
                       .seq = asked.seq}},
                     read_clocks());
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<engine::Reserve> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

class MemoryConsumerStore final : public store::ConsumerStore {
 public:
  absl::StatusOr<std::optional<policy::Consumer>> find_consumer(std::string_view id) override {
    const std::lock_guard lock(mutex_);
    const auto found = saved.find(std::string(id));
    if (found == saved.end()) return std::nullopt;
    return found->second;
  }
  absl::StatusOr<std::vector<policy::Consumer>> list_consumers(std::string_view after,
                                                               size_t limit) override {
    const std::lock_guard lock(mutex_);
    std::vector<policy::Consumer> page;
    for (auto each = saved.upper_bound(std::string(after)); each != saved.end(); ++each) {
      if (page.size() == limit) break;
      page.push_back(each->second);
    }
    return page;
  }
  absl::StatusOr<policy::Consumer> change_consumer(std::string_view id,
                                                   const Change& change) override {
    auto before = find_consumer(id);
    auto after = change(*std::move(before));
    if (!after.ok()) return after;
    if (broken) return absl::UnavailableError("the disk is full");
    const std::lock_guard lock(mutex_);
    for (const auto& [other, consumer] : saved) {
      for (const Sha256& key : consumer.api_keys) {
        if (other != id && std::ranges::count(after->api_keys, key) > 0) {
          return store::key_is_taken(key, other);
        }
      }
    }
    saved[after->id] = *after;
    return after;
  }
  absl::Status remove_consumer(std::string_view id) override {
    if (broken) return absl::UnavailableError("the disk is full");
    const std::lock_guard lock(mutex_);
    return saved.erase(std::string(id)) > 0 ? absl::OkStatus() : absl::NotFoundError("none");
  }

  std::map<std::string, policy::Consumer> saved;
  bool broken = false;

 private:
  std::mutex mutex_;
};

class MemoryModeStore final : public store::ModeStore {
 public:
  absl::StatusOr<store::ModeRecord> put_mode(std::optional<policy::Mode> mode,
                                             int64_t unix_ms) override {
    if (broken) return absl::UnavailableError("the disk is full");
    say({mode, unix_ms});
    return saved;
  }
  absl::Status watch_mode(Heard heard) override {
    heard_ = std::move(heard);
    return absl::OkStatus();
  }
  // As if another quotad had been told.
  void say(store::ModeRecord record) {
    saved = record;
    if (heard_) heard_(record);
  }

  store::ModeRecord saved;
  std::atomic<bool> broken{false};

 private:
  Heard heard_;
};

constexpr char kToken[] = "0123456789abcdef-token";

// "acme" of the policy has the API key acme-key.
constexpr char kPolicy[] = R"(version: 1
default_tier: free
tiers:
  free: {requests_per_minute: 100, monthly_quota: 50000}
  pro: {requests_per_minute: 1000, monthly_quota: 1000000}
  enterprise: {unlimited: true}
endpoints:
  - {method: OPTIONS, path: "*", cost: 0}
  - {path: /identify, cost: 1}
  - {path: /compare, cost: 2}
  - {path: /tiny, cost: 0.5}
  - {path: /health, cost: 0}
identity:
  trust: [consumer]
  jwt: {algorithm: HS256, key_file: jwt.key}
anonymous: {requests_per_minute: 30, allowlist: {cidrs: [10.0.0.0/8], requests_per_minute: 1000}}
consumers:
  - {id: acme, tier: pro, api_keys_sha256: ["@ACME@"], overrides: {requests_per_minute: 5000}}
  - {id: big, tier: enterprise}
overrides_by_attribute:
  - {attribute: country, equals: XX, requests_per_minute: 10}
)";
constexpr char kJwtSecret[] = "a-secret-that-nobody-must-ever-see-in-an-answer";

class AdminServerTest : public ::testing::Test {
 protected:
  AdminServerTest() {
    EXPECT_EQ(policy_.reload(), absl::OkStatus());
    EXPECT_EQ(mode_.follow(), absl::OkStatus());
    store_.start(&engine_);
    start(kToken);
  }
  ~AdminServerTest() override {
    server_->stop();
    store_.stop();
  }

  void start(std::string token) {
    server_ = std::make_unique<AdminServer>(
        AdminDeps{.policy = policy_,
                  .directory = directory_,
                  .consumers = consumers_,
                  .engine = engine_,
                  .mode = mode_,
                  .top = busiest_,
                  .metrics = metrics_,
                  .ready = ready_,
                  .reload = [this] { return policy_.reload(); },
                  .month_used = [](const std::string&, int32_t) { return int64_t{7000}; }},
        AdminSettings{.host = "127.0.0.1", .port = 0, .token = std::move(token)});
    const absl::Status status = server_->start();
    ASSERT_TRUE(status.ok()) << status;
  }

  httplib::Client client() { return httplib::Client("127.0.0.1", server_->port()); }
  static httplib::Headers bearer(const std::string& token = kToken) {
    return {{"Authorization", "Bearer " + token}};
  }

  // Of an answer that must have come.
  static int status(const httplib::Result& result) { return result ? result->status : -1; }
  static Json json(const httplib::Result& result) {
    return result ? Json::parse(result->body, nullptr, false) : Json();
  }
  static std::string detail(const httplib::Result& result) {
    if (!result || result->get_header_value("Content-Type") != "application/problem+json") {
      return "no problem+json";
    }
    return json(result).value("detail", "");
  }

  httplib::Result get(const std::string& path) { return client().Get(path); }
  httplib::Result post(const std::string& path, const std::string& body = "") {
    return client().Post(path, bearer(), body, "application/json");
  }
  httplib::Result put_mode(const std::string& body, const std::string& query = "",
                           const httplib::Headers& headers = bearer()) {
    return client().Put("/v1/mode" + query, headers, body, "application/json");
  }
  httplib::Result put(const std::string& id, const std::string& body) {
    return client().Put("/v1/consumers/" + id, bearer(), body, "application/json");
  }

  static std::string write_policy(const std::string& text) {
    std::string path = ::testing::TempDir() + "admin_test_policy.yaml";
    std::ofstream(::testing::TempDir() + "jwt.key") << kJwtSecret;
    std::string filled = text;
    if (const size_t at = filled.find("@ACME@"); at != std::string::npos) {
      filled.replace(at, 6, to_hex(sha256("acme-key")));
    }
    std::ofstream(path) << filled;
    return path;
  }

  policy::LivePolicy policy_{write_policy(kPolicy)};
  identity::FullDirectory directory_;
  MemoryConsumerStore consumers_;
  MemoryModeStore modes_;
  ModeSwitch mode_{policy_, modes_};
  Busiest busiest_;
  GrantingStore store_;
  engine::Engine engine_{{}, store_};
  MetricsRegistry metrics_;
  std::atomic<bool> ready_{true};
  std::unique_ptr<AdminServer> server_;
};

}  // namespace quota::admin::testing
