#include "store/redis_store.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <spdlog/spdlog.h>
#include <uv.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "store/lease_call.h"
#include "store/lease_commands.h"
#include "store/marker.h"
#include "store/scripts.h"
#include "store/unsettled.h"

namespace quota::store {
namespace {

using engine::Grant;
using engine::MonthKey;
using engine::Reserve;
using redis::Failure;

struct Settled {
  MonthKey month;
  int64_t used = 0;
};
struct Spent {
  MonthKey month;
  int64_t amount = 0;
};
struct Noted {
  MonthKey month;
  int64_t used = 0;
  bool loaded = false;
};
struct Reset {
  MonthKey month;
};
using Work = std::function<void(redis::Client&)>;
using Request = std::variant<Reserve, Settled, Spent, Noted, Reset, Work>;

constexpr uint64_t kHeartbeatMs = 1000;
constexpr uint64_t kLastSeq = (1ULL << 53) - 1;  // that a double holds
constexpr int64_t kPresenceUs = 5'000'000;

std::string random_name() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

// A field that the loop's thread counts and others read.
void count(std::atomic<uint64_t>& counter, uint64_t by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

class RedisStore::Impl final : public redis::ClientEvents {
 public:
  Impl(RedisStoreOptions options, std::unique_ptr<Journal> journal)
      : options_(std::move(options)),
        terms_{.holder = random_name(),
               .ttl_us = options_.lease_ttl_us,
               .retention_ms = options_.idle_retention_us / 1000,
               .marker = options_.client.url.topology == redis::Topology::kCluster
                             ? std::string()
                             : std::string(kMarkerKey)},
        unsettled_(terms_.holder, std::move(journal)),
        marker_(terms_.holder, kPresenceUs, options_.lease_ttl_us, terms_.marker.empty()) {
    uv_loop_init(&loop_);
    wake_.data = check_.data = heartbeat_.data = this;
    uv_async_init(&loop_, &wake_, [](uv_async_t* at) { static_cast<Impl*>(at->data)->on_wake(); });
    uv_check_init(&loop_, &check_);
    uv_check_start(&check_, [](uv_check_t* at) { static_cast<Impl*>(at->data)->on_turn_ended(); });
    uv_timer_init(&loop_, &heartbeat_);
    uv_timer_start(
        &heartbeat_, [](uv_timer_t* at) { static_cast<Impl*>(at->data)->on_heartbeat(); },
        kHeartbeatMs, kHeartbeatMs);
    client_ = redis::Client::open(&loop_, options_.client, *this);
    options_.on_open(&loop_, *client_);
  }

  ~Impl() override {
    stop();
    uv_loop_close(&loop_);
  }

  // Runs the thread, and waits for what Redis has to say first.
  absl::Status begin() {
    if (absl::Status status = unsettled_.load(); !status.ok()) return status;
    unsettled_now_ = unsettled_.size();
    thread_ = std::thread([this] { uv_run(&loop_, UV_RUN_DEFAULT); });
    std::unique_lock lock(mutex_);
    heard_.wait_for(lock, std::chrono::microseconds(options_.first_contact_us),
                    [this] { return is_heard_; });
    if (!refusal_.empty()) return absl::FailedPreconditionError(refusal_);
    if (!is_up()) {
      spdlog::warn("Redis cannot be reached yet at {}: until it is, policy.store_lost rules",
                   options_.client.url.text());
    }
    return absl::OkStatus();
  }

  void start(engine::GrantSink* sink) {
    const std::lock_guard lock(mutex_);
    sink_ = sink;
  }

  void push(Request request) {
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
    std::future<void> all_told = told->get_future();
    push(Work([this, told](redis::Client&) {
      farewell_ = told;
      farewell_at_us_ = options_.clock().mono_us + options_.farewell_us;
    }));
    uv_async_send(&wake_);
    all_told.wait_for(std::chrono::microseconds(options_.farewell_us + 1'000'000));
    const size_t left = stop();
    if (left == 0) return absl::OkStatus();
    if (options_.journal.empty()) {
      return absl::UnavailableError(fmt::format(
          "Redis could not be told what was spent of {} months, and there is no journal: set "
          "store_journal to keep such counts",
          left));
    }
    spdlog::warn(
        "Redis could not be told what was spent of {} months; the journal {} keeps it for "
        "the next start",
        left, options_.journal);
    return absl::OkStatus();
  }

  template <typename Result>
  absl::StatusOr<Result> wait_for(std::future<absl::StatusOr<Result>> result) {
    if (result.wait_for(std::chrono::seconds(2)) != std::future_status::ready) {
      return absl::DeadlineExceededError("Redis did not answer in time");
    }
    return result.get();
  }

  bool is_up() const { return up_.load(std::memory_order_relaxed); }
  int engines() const { return engines_.load(std::memory_order_relaxed); }

  Stats stats() const {
    const redis::Client::Counters counters = client_->counters();
    std::array<uint64_t, kCallBoundsUs.size() + 1> calls{};
    for (size_t i = 0; i < calls.size(); ++i) calls[i] = calls_[i];
    return {.granted = granted_,
            .failed = failed_,
            .timeouts = timeouts_,
            .settled = settled_,
            .journalled = journalled_,
            .unsettled = unsettled_now_,
            .resets = resets_,
            .calls = calls,
            .call_us = call_us_,
            .connects = counters.connects,
            .up = is_up(),
            .is_paused = options_.clock().mono_us < paused_until_us_,
            .engines = engines()};
  }

 private:
  // --- the client's events ---

  void on_node(redis::Node& node, Ask ask, Ready ready) override {
    if (std::string words = refuse_eviction(node.maxmemory_policy); !words.empty()) {
      {
        const std::lock_guard lock(mutex_);
        refusal_ = words;
        is_heard_ = true;
      }
      heard_.notify_all();
      ready(absl::FailedPreconditionError(words));
      return;
    }
    // So that the first calls are not told twice.
    for (const std::string_view script : {kLeaseLua, kResetLua}) {
      ask(std::make_unique<LoadCall>(script));
    }
    if (!marker_.is_for(node)) return ready(absl::OkStatus());
    ask(marker_.ask(node, [this, &node, ready](absl::StatusOr<Marker::State> state) {
      if (state.ok()) node.tag = take_in(*state);
      ready(state.status());
    }));
  }

  void on_up(bool up, std::string_view why) override {
    up_.store(up, std::memory_order_relaxed);
    if (up) {
      spdlog::info("Redis is there: {}", why);
      tell_unsettled();
    } else {
      spdlog::warn("Redis is lost, and policy.store_lost rules once leases are spent: {}", why);
    }
    if (up) {
      const std::lock_guard lock(mutex_);
      is_heard_ = true;
      heard_.notify_all();
    }
  }

  static std::string refuse_eviction(std::string_view policy) {
    if (policy.empty() || policy == "noeviction") return {};
    return fmt::format(
        "this Redis may evict buckets, which would give tokens twice: its maxmemory-policy is {}; "
        "set it to noeviction",
        policy);
  }

  // Returns what goes into the node's tag.
  int64_t take_in(const Marker::State& state) {
    engines_.store(state.engines, std::memory_order_relaxed);
    if (state.pause_us > 0) {
      paused_until_us_.store(options_.clock().mono_us + state.pause_us, std::memory_order_relaxed);
    }
    if (state.is_new_reset) {
      count(resets_);
      spdlog::warn(
          "Redis was restarted, replaced or emptied: all buckets start anew, and nothing is "
          "granted for {} ms",
          state.pause_us / 1000);
      if (sink_ != nullptr) sink_->on_store_reset();
    }
    return state.void_before_us;
  }

  // --- the loop ---

  void on_wake() {
    {
      const std::lock_guard lock(mutex_);
      std::swap(queue_, taken_);
    }
    for (Request& request : taken_) {
      std::visit([this](auto& one) { carry_out(one); }, request);
    }
    taken_.clear();
  }

  void carry_out(Reserve& request) {
    const std::string holder = holder_of(terms_, request.month.subject);
    if (request.limit != -1) {
      const int64_t known = unsettled_.take_up(request.month, holder);
      if (request.used < 0) request.used = known;
    }
    send(std::move(request), holder, ++last_seq_,
         [this](const Reserve& asked, absl::StatusOr<Grant> grant) {
           if (grant.ok()) {
             count(granted_);
             if (asked.limit != -1) {
               unsettled_.told(holder_of(terms_, asked.month.subject), asked.month, asked.used);
             }
             grants_.push_back(*std::move(grant));
           } else {
             count(failed_);
             grants_.push_back({.month = asked.month, .seq = asked.seq});
           }
         });
  }

  void carry_out(Settled& settled) {
    const std::string holder = holder_of(terms_, settled.month.subject);
    const Journal::Entry entry = unsettled_.settle(settled.month, holder, settled.used);
    if (is_up()) tell(entry);
  }

  void carry_out(Spent& spent) {
    const Journal::Entry entry = unsettled_.spend(spent.month, spent.amount);
    if (is_up()) tell(entry);
  }

  void carry_out(Noted& noted) {
    unsettled_.note(noted.month, holder_of(terms_, noted.month.subject), noted.used, noted.loaded);
  }

  void carry_out(Reset& reset) { client_->send(std::make_unique<ResetCall>(reset.month)); }

  void carry_out(Work& work) { work(*client_); }

  using Answered = std::function<void(const Reserve&, absl::StatusOr<Grant>)>;
  void send(Reserve request, std::string holder, uint64_t seq, Answered answered) {
    client_->send(std::make_unique<LeaseCall>(
        terms_, std::move(holder), std::move(request), seq,
        [this, answered = std::move(answered)](const LeaseCall::Outcome& outcome) {
          if (outcome.failure == Failure::kTimeout) count(timeouts_);
          if (outcome.is_marker_missing) refresh_markers();
          if (outcome.grant.ok()) {
            count_call(std::max<int64_t>(0, options_.clock().mono_us - outcome.sent_us));
          }
          answered(outcome.request, outcome.grant);
        }));
  }

  void count_call(int64_t us) {
    size_t slot = 0;
    while (slot < kCallBoundsUs.size() && us > kCallBoundsUs[slot]) ++slot;
    count(calls_[slot]);
    count(call_us_, static_cast<uint64_t>(us));
  }

  void tell_unsettled() {
    unsettled_.tell_all([this](const Journal::Entry& entry) { tell(entry); });
  }

  void tell(const Journal::Entry& entry) {
    unsettled_.telling(entry);
    // How far an earlier life had counted is not known; it will say nothing more.
    const bool is_own = entry.holder.starts_with(terms_.holder);
    Reserve report{.month = entry.month,
                   .limit = engine::kUnchanged,
                   .used = entry.used,
                   .release = entry.is_final};
    send(std::move(report), entry.holder, is_own ? ++last_seq_ : kLastSeq,
         [this, holder = entry.holder](const Reserve& asked, const absl::StatusOr<Grant>& grant) {
           if (grant.ok()) {
             count(settled_);
             unsettled_.told(holder, asked.month, asked.used);
           } else {
             unsettled_.not_told(holder, asked.month);
           }
         });
  }

  void on_turn_ended() {
    unsettled_.write_down(!is_up() || farewell_is_late());
    unsettled_now_.store(unsettled_.size(), std::memory_order_relaxed);
    journalled_.store(unsettled_.journalled(), std::memory_order_relaxed);
    if (!grants_.empty() && sink_ != nullptr) {
      std::vector<Grant> grants;
      grants.swap(grants_);
      sink_->on_grants(grants, options_.clock());
    }
    if (farewell_ != nullptr && (unsettled_.empty() || !is_up() || farewell_is_late())) {
      leave(std::exchange(farewell_, nullptr));
    }
  }

  // The others need not wait for this quotad's share to be free.
  void leave(std::shared_ptr<std::promise<void>> left) {
    // Fulfilled when the last of the calls below is gone, however it ended.
    const auto all_left = std::shared_ptr<void>(nullptr, [left](void*) { left->set_value(); });
    client_->for_each_node([&](redis::Node& node) {
      if (!marker_.is_for(node)) return;
      client_->send(marker_.leave(node, [all_left](const absl::StatusOr<Marker::State>&) {}));
    });
  }

  bool farewell_is_late() const {
    return farewell_ != nullptr && options_.clock().mono_us >= farewell_at_us_;
  }

  void on_heartbeat() {
    refresh_markers();
    if (is_up() && !unsettled_.empty()) tell_unsettled();
  }

  void refresh_markers() {
    client_->for_each_node([this](redis::Node& node) {
      if (!marker_.is_for(node)) return;
      client_->send(marker_.ask(
          node, [this, address = node.address](const absl::StatusOr<Marker::State>& state) {
            if (!state.ok()) return;
            const int64_t tag = take_in(*state);
            client_->for_each_node([&](redis::Node& known) {
              if (known.address == address) known.tag = tag;
            });
          }));
    });
  }

  // Ends the thread. Returns how many months Redis was not told of.
  size_t stop() {
    {
      const std::lock_guard lock(mutex_);
      if (is_closed_) return 0;
      is_closed_ = true;
      queue_.clear();
      sink_ = nullptr;
      queue_.push_back(Work([this](redis::Client& client) {
        options_.on_close();
        client.close([this] {
          uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
          uv_close(reinterpret_cast<uv_handle_t*>(&check_), nullptr);
          uv_close(reinterpret_cast<uv_handle_t*>(&heartbeat_), nullptr);
        });
      }));
    }
    uv_async_send(&wake_);
    if (!thread_.joinable()) {
      uv_run(&loop_, UV_RUN_DEFAULT);
    } else {
      thread_.join();
    }
    unsettled_.write_down(true);
    return unsettled_.size();
  }

  const RedisStoreOptions options_;
  const LeaseTerms terms_;

  // The loop's thread only.
  uv_loop_t loop_{};
  uv_async_t wake_{};
  uv_check_t check_{};
  uv_timer_t heartbeat_{};
  Unsettled unsettled_;
  Marker marker_;
  std::unique_ptr<redis::Client> client_;
  std::vector<Request> taken_;
  std::vector<Grant> grants_;
  uint64_t last_seq_ = 0;
  std::shared_ptr<std::promise<void>> farewell_;
  int64_t farewell_at_us_ = 0;

  // What others read.
  std::atomic<bool> up_{false};
  std::atomic<int> engines_{1};
  std::atomic<int64_t> paused_until_us_{INT64_MIN};
  std::atomic<uint64_t> granted_{0}, failed_{0}, timeouts_{0}, settled_{0}, journalled_{0},
      unsettled_now_{0}, resets_{0}, call_us_{0};
  std::array<std::atomic<uint64_t>, kCallBoundsUs.size() + 1> calls_{};

  std::mutex mutex_;
  std::condition_variable heard_;
  std::vector<Request> queue_;
  engine::GrantSink* sink_ = nullptr;  // set before the first request, cleared at the end
  std::string refusal_;
  bool is_heard_ = false;
  bool is_closed_ = false;

  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<RedisStore>> RedisStore::open(RedisStoreOptions options) {
  std::unique_ptr<Journal> journal;
  if (!options.journal.empty()) {
    auto opened = Journal::open(options.journal);
    if (!opened.ok()) return opened.status();
    journal = *std::move(opened);
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(journal));
  if (absl::Status status = impl->begin(); !status.ok()) return status;
  return std::unique_ptr<RedisStore>(new RedisStore(std::move(impl)));
}

RedisStore::RedisStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RedisStore::~RedisStore() = default;

void RedisStore::start(engine::GrantSink* sink) { impl_->start(sink); }
void RedisStore::reserve(Reserve request) { impl_->push(std::move(request)); }
void RedisStore::settle(MonthKey month, int64_t used) {
  impl_->push(Settled{std::move(month), used});
}
void RedisStore::spend(MonthKey month, int64_t amount) {
  impl_->push(Spent{std::move(month), amount});
}
void RedisStore::journal(MonthKey month, int64_t used, bool loaded) {
  impl_->push(Noted{std::move(month), used, loaded});
}
void RedisStore::reset(MonthKey month) { impl_->push(Reset{std::move(month)}); }
int RedisStore::engines() const { return impl_->engines(); }
bool RedisStore::healthy() const { return impl_->is_up(); }
absl::Status RedisStore::close() { return impl_->close(); }
void RedisStore::post(Work work) { impl_->push(std::move(work)); }
RedisStore::Stats RedisStore::stats() const { return impl_->stats(); }

absl::StatusOr<int64_t> RedisStore::month_used(const MonthKey& month) {
  using Result = absl::StatusOr<int64_t>;
  const auto promise = std::make_shared<std::promise<Result>>();
  std::future<Result> result = promise->get_future();
  impl_->push(Work([promise, month](redis::Client& client) {
    client.send(std::make_unique<MonthCall>(
        month, [promise](Result used) { promise->set_value(std::move(used)); }));
  }));
  return impl_->wait_for(std::move(result));
}

}  // namespace quota::store
