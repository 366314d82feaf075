#include "store/redis_store.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <uv.h>

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "store/lease_commands.h"
#include "store/redis_session.h"

namespace quota::store {
namespace {

using engine::MonthKey;
using engine::Reserve;

constexpr uint64_t kHeartbeatMs = 1000;
constexpr std::chrono::seconds kPatience{2};

}  // namespace

// The thread with its loop, and the way to it.
class RedisStore::Impl {
 public:
  Impl(RedisStoreOptions options, std::unique_ptr<Journal> journal)
      : options_(std::move(options)),
        session_(open_loop(), options_, std::move(journal),
                 [this](const absl::Status& status) { heard(status); }) {
    wake_.data = turn_.data = heartbeat_.data = this;
    uv_async_init(&loop_, &wake_, [](uv_async_t* at) { static_cast<Impl*>(at->data)->take(); });
    uv_check_init(&loop_, &turn_);
    uv_check_start(&turn_,
                   [](uv_check_t* at) { static_cast<Impl*>(at->data)->session_.turn_ended(); });
    uv_timer_init(&loop_, &heartbeat_);
    uv_timer_start(
        &heartbeat_, [](uv_timer_t* at) { static_cast<Impl*>(at->data)->session_.heartbeat(); },
        kHeartbeatMs, kHeartbeatMs);
    options_.on_open(&loop_, session_.client());
  }

  ~Impl() {
    stop();
    uv_loop_close(&loop_);
  }

  // Runs the thread, and waits for what Redis has to say first.
  absl::Status begin() {
    if (absl::Status status = session_.load(); !status.ok()) return status;
    thread_ = std::thread([this] { uv_run(&loop_, UV_RUN_DEFAULT); });
    std::unique_lock lock(mutex_);
    heard_of_.wait_for(lock, std::chrono::microseconds(options_.first_contact_us),
                       [this] { return is_heard_; });
    if (!refusal_.ok()) return refusal_;
    if (!is_heard_) {
      spdlog::warn("Redis cannot be reached yet at {}: until it is, policy.store_lost rules",
                   options_.client.url.text());
    }
    return absl::OkStatus();
  }

  void push(RedisRequest request) {
    bool is_first;
    {
      const std::lock_guard lock(mutex_);
      if (is_closed_) return;
      is_first = queue_.empty();
      queue_.push_back(std::move(request));
    }
    if (is_first) uv_async_send(&wake_);
  }

  absl::Status close() {
    // What was queued before this is sent before this is done.
    const auto told = std::make_shared<std::promise<void>>();
    push(Work(
        [this, told](redis::Client&) { session_.say_farewell([told] { told->set_value(); }); }));
    told->get_future().wait_for(std::chrono::microseconds(options_.farewell_us) + kPatience);
    const size_t left = stop();
    if (left == 0) return absl::OkStatus();
    if (options_.journal.empty()) {
      return absl::UnavailableError(fmt::format(
          "Redis could not be told what was spent of {} months, and there is no journal: set "
          "store_journal to keep such counts",
          left));
    }
    spdlog::warn(
        "Redis could not be told what was spent of {} months; the journal {} keeps it for the next "
        "start",
        left, options_.journal);
    return absl::OkStatus();
  }

  RedisSession& session() { return session_; }

 private:
  uv_loop_t* open_loop() {
    uv_loop_init(&loop_);
    return &loop_;
  }

  void heard(const absl::Status& status) {
    {
      const std::lock_guard lock(mutex_);
      is_heard_ = true;
      refusal_ = status;
    }
    heard_of_.notify_all();
  }

  void take() {
    {
      const std::lock_guard lock(mutex_);
      std::swap(queue_, taken_);
    }
    for (RedisRequest& request : taken_) session_.carry_out(request);
    taken_.clear();
  }

  // Ends the thread. Returns how many months Redis was not told of.
  size_t stop() {
    {
      const std::lock_guard lock(mutex_);
      if (is_closed_) return 0;
      is_closed_ = true;
      queue_.clear();
      queue_.emplace_back(Work([this](redis::Client& client) {
        session_.set_sink(nullptr);
        options_.on_close();
        client.close([this] {
          uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
          uv_close(reinterpret_cast<uv_handle_t*>(&turn_), nullptr);
          uv_close(reinterpret_cast<uv_handle_t*>(&heartbeat_), nullptr);
        });
      }));
    }
    uv_async_send(&wake_);
    if (thread_.joinable()) {
      thread_.join();
    } else {
      uv_run(&loop_, UV_RUN_DEFAULT);
    }
    return session_.write_down();
  }

  const RedisStoreOptions options_;
  uv_loop_t loop_{};
  RedisSession session_;
  uv_async_t wake_{};
  uv_check_t turn_{};
  uv_timer_t heartbeat_{};
  std::vector<RedisRequest> taken_;  // the loop's thread only

  std::mutex mutex_;
  std::condition_variable heard_of_;
  std::vector<RedisRequest> queue_;
  absl::Status refusal_;
  bool is_heard_ = false;
  bool is_closed_ = false;

  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<RedisStore>> RedisStore::open(RedisStoreOptions options) {
  std::unique_ptr<Journal> journal;
  if (!options.journal.empty()) {
    auto opened = Journal::open(options.journal);
    if (!opened.ok()) {
      return absl::Status(opened.status().code(),
                          fmt::format("store_journal: {}", std::string(opened.status().message())));
    }
    journal = *std::move(opened);
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(journal));
  if (absl::Status status = impl->begin(); !status.ok()) return status;
  return std::unique_ptr<RedisStore>(new RedisStore(std::move(impl)));
}

RedisStore::RedisStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RedisStore::~RedisStore() = default;

void RedisStore::start(engine::GrantSink* sink) { impl_->session().set_sink(sink); }
void RedisStore::reserve(Reserve request) { impl_->push(std::move(request)); }
void RedisStore::settle(MonthKey month, int64_t used) {
  impl_->push(Settle{std::move(month), used});
}
void RedisStore::spend(MonthKey month, int64_t amount) {
  impl_->push(Spend{std::move(month), amount});
}
void RedisStore::journal(MonthKey month, int64_t used, bool loaded) {
  impl_->push(Noted{std::move(month), used, loaded});
}
void RedisStore::reset(MonthKey month) { impl_->push(Reset{std::move(month)}); }
int RedisStore::engines() const { return impl_->session().engines(); }
bool RedisStore::healthy() const { return impl_->session().is_up(); }
absl::Status RedisStore::close() { return impl_->close(); }
RedisStore::Stats RedisStore::stats() const { return impl_->session().stats(); }

absl::StatusOr<int64_t> RedisStore::month_used(const MonthKey& month) {
  using Result = absl::StatusOr<int64_t>;
  const auto promise = std::make_shared<std::promise<Result>>();
  std::future<Result> result = promise->get_future();
  impl_->push(Work([promise, month](redis::Client& client) {
    client.send(std::make_unique<MonthCall>(
        month, [promise](Result used) { promise->set_value(std::move(used)); }));
  }));
  if (result.wait_for(kPatience) != std::future_status::ready) {
    return absl::DeadlineExceededError("Redis did not answer in time");
  }
  return result.get();
}

}  // namespace quota::store
