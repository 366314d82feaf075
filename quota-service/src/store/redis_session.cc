#include "store/redis_session.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "store/holder_name.h"
#include "store/lease_commands.h"
#include "store/scripts.h"

namespace quota::store {
namespace {

using engine::Grant;
using engine::Reserve;

constexpr uint64_t kLastSeq = (1ULL << 53) - 1;  // that a double holds
constexpr int64_t kPresenceUs = 5'000'000;
constexpr int64_t kRefusalShownUs = 5'000'000;
constexpr int64_t kRefusalWarnedUs = 10'000'000;

std::string refuse_eviction(std::string_view policy) {
  if (policy.empty() || policy == "noeviction") return {};
  return fmt::format(
      "this Redis may evict buckets, which would give tokens twice: its maxmemory-policy is {}; "
      "set it to noeviction",
      policy);
}

// A number that the loop's thread counts and others read.
void count(std::atomic<uint64_t>& counter, uint64_t by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

RedisSession::RedisSession(uv_loop_t* loop, const RedisStoreOptions& options,
                           std::unique_ptr<Journal> journal, Heard heard)
    : options_(options),
      terms_{.holder = random_holder_name(),
             .ttl_us = options_.lease_ttl_us,
             .retention_ms = options_.idle_retention_us / 1000,
             .marker = options_.client.url.topology == redis::Topology::kCluster
                           ? std::string()
                           : std::string(kMarkerKey)},
      heard_(std::move(heard)),
      unsettled_(terms_.holder, std::move(journal)),
      marker_(terms_.holder, kPresenceUs, options_.lease_ttl_us, terms_.marker.empty()),
      client_(redis::Client::open(loop, options_.client, *this)) {}

absl::Status RedisSession::load() {
  absl::Status status = unsettled_.load();
  unsettled_now_ = unsettled_.size();
  return status;
}

RedisStore::Stats RedisSession::stats() const {
  RedisStore::Stats stats{.granted = granted_,
                          .timeouts = timeouts_,
                          .failed = failed_,
                          .settled = settled_,
                          .journalled = journalled_,
                          .unsettled = unsettled_now_,
                          .resets = resets_,
                          .call_us = call_us_,
                          .connects = client_->counters().connects,
                          .up = is_up(),
                          .is_paused = options_.clock().mono_us < paused_until_us_,
                          .is_refused = options_.clock().mono_us < refused_until_us_,
                          .engines = engines()};
  for (size_t i = 0; i < calls_.size(); ++i) stats.calls[i] = calls_[i];
  return stats;
}

void RedisSession::on_node(redis::Node& node, Ask ask, Ready ready) {
  if (const std::string words = refuse_eviction(node.maxmemory_policy); !words.empty()) {
    const absl::Status refusal = absl::FailedPreconditionError(words);
    heard_(refusal);
    return ready(refusal);
  }
  if (node.maxmemory_policy.empty() && !std::exchange(warned_of_policy_, true)) {
    spdlog::warn(
        "this Redis does not show its maxmemory-policy: make sure that it is noeviction, because "
        "an "
        "evicted bucket gives its tokens twice");
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

void RedisSession::on_up(bool up, std::string_view why) {
  up_.store(up, std::memory_order_relaxed);
  if (!up) {
    const bool is_locked = why.find("NOAUTH") != std::string_view::npos ||
                           why.find("WRONGPASS") != std::string_view::npos;
    spdlog::warn("Redis is lost, and policy.store_lost rules once leases are spent: {}{}", why,
                 is_locked ? "; set store_password_file or QUOTAD_STORE_PASSWORD" : "");
    return;
  }
  spdlog::info("Redis is there: {}", why);
  tell_unsettled();
  heard_(absl::OkStatus());
}

int64_t RedisSession::take_in(const Marker::State& state) {
  engines_.store(state.engines, std::memory_order_relaxed);
  if (state.pause_us > 0) {
    paused_until_us_.store(options_.clock().mono_us + state.pause_us, std::memory_order_relaxed);
  }
  if (state.is_new_reset) {
    count(resets_);
    spdlog::warn(
        "Redis was restarted, replaced or emptied: all buckets start anew, and nothing is granted "
        "for {} ms",
        state.pause_us / 1000);
    if (engine::GrantSink* sink = sink_.load(std::memory_order_acquire)) sink->on_store_reset();
  }
  return state.void_before_us;
}

void RedisSession::refresh_markers() {
  // Many calls may find out at the same time that it is needed.
  if (!refresh_.expired()) return;
  const auto refresh = std::make_shared<int>();
  refresh_ = refresh;
  client_->for_each_node([&](redis::Node& node) {
    if (!marker_.is_for(node)) return;
    client_->send(marker_.ask(
        node, [this, refresh, address = node.address](const absl::StatusOr<Marker::State>& state) {
          if (!state.ok()) return;
          const int64_t tag = take_in(*state);
          client_->for_each_node([&](redis::Node& known) {
            if (known.address == address) known.tag = tag;
          });
        }));
  });
}

void RedisSession::carry_out(RedisRequest& request) {
  std::visit([this](auto& one) { carry_out_one(one); }, request);
}

void RedisSession::carry_out_one(Reserve& request) {
  const std::string holder = holder_of(terms_, request.month.subject);
  if (request.limit != -1) {
    const int64_t known = unsettled_.take_up(request.month, holder);
    if (request.used < 0) request.used = known;
  }
  send(std::move(request), holder, ++last_seq_, [this](const LeaseCall::Outcome& outcome) {
    const Reserve& asked = outcome.request;
    if (outcome.grant.ok()) {
      count(granted_);
      if (asked.limit != -1) {
        unsettled_.told(holder_of(terms_, asked.month.subject), asked.month, asked.used);
      }
      grants_.push_back(*outcome.grant);
    } else {
      count(outcome.failure == redis::Failure::kTimeout ? timeouts_ : failed_);
      grants_.push_back({.month = asked.month, .seq = asked.seq});
    }
  });
}

void RedisSession::carry_out_one(Settle& settled) {
  const std::string holder = holder_of(terms_, settled.month.subject);
  const Journal::Entry entry = unsettled_.settle(settled.month, holder, settled.used);
  if (is_up()) tell(entry);
}

void RedisSession::carry_out_one(Spend& spent) {
  const Journal::Entry entry = unsettled_.spend(spent.month, spent.amount);
  if (is_up()) tell(entry);
}

void RedisSession::carry_out_one(Noted& noted) {
  unsettled_.note(noted.month, holder_of(terms_, noted.month.subject), noted.used, noted.loaded);
}

void RedisSession::carry_out_one(Reset& reset) {
  client_->send(std::make_unique<ResetCall>(reset.month));
}

void RedisSession::send(Reserve request, std::string holder, uint64_t seq, Answered answered) {
  client_->send(std::make_unique<LeaseCall>(
      terms_, std::move(holder), std::move(request), seq,
      [this, answered = std::move(answered)](const LeaseCall::Outcome& outcome) {
        // Redis has lost data, and somebody else was first to see it.
        const bool is_news = outcome.grant.ok() && outcome.grant->pause_us > 0 &&
                             options_.clock().mono_us >= paused_until_us_;
        if (outcome.is_marker_missing || is_news) refresh_markers();
        if (outcome.grant.ok()) {
          count_call(std::max<int64_t>(0, options_.clock().mono_us - outcome.sent_us));
        } else if (outcome.failure == redis::Failure::kRefused && !outcome.is_marker_missing) {
          refused(std::string(outcome.grant.status().message()));
        }
        answered(outcome);
      }));
}

// Redis answers, and will not do it: it is full, or a key is not what it should be.
void RedisSession::refused(std::string_view words) {
  if (words.starts_with("STALE")) return;
  const int64_t now_us = options_.clock().mono_us;
  refused_until_us_.store(now_us + kRefusalShownUs, std::memory_order_relaxed);
  if (now_us - warned_of_refusal_us_ < kRefusalWarnedUs) return;
  warned_of_refusal_us_ = now_us;
  spdlog::warn("Redis refuses to keep buckets, and policy.store_lost rules: {}", words);
}

void RedisSession::count_call(int64_t us) {
  size_t slot = 0;
  while (slot < kCallBoundsUs.size() && us > kCallBoundsUs[slot]) ++slot;
  count(calls_[slot]);
  count(call_us_, static_cast<uint64_t>(us));
}

void RedisSession::tell_unsettled() {
  unsettled_.tell_all([this](const Journal::Entry& entry) { tell(entry); });
}

void RedisSession::tell(const Journal::Entry& entry) {
  unsettled_.telling(entry);
  // How far an earlier life had counted is not known; it will say nothing more.
  const bool is_own = entry.holder.starts_with(terms_.holder);
  Reserve report{.month = entry.month,
                 .limit = engine::kUnchanged,
                 .used = entry.used,
                 .release = entry.is_final};
  send(std::move(report), entry.holder, is_own ? ++last_seq_ : kLastSeq,
       [this, holder = entry.holder](const LeaseCall::Outcome& outcome) {
         if (outcome.grant.ok()) {
           count(settled_);
           unsettled_.told(holder, outcome.request.month, outcome.request.used);
         } else {
           unsettled_.not_told(holder, outcome.request.month);
         }
       });
}

void RedisSession::turn_ended() {
  const bool is_late = options_.clock().mono_us >= farewell_at_us_;
  unsettled_.write_down(!is_up() || is_late);
  unsettled_now_.store(unsettled_.size(), std::memory_order_relaxed);
  journalled_.store(unsettled_.journalled(), std::memory_order_relaxed);
  engine::GrantSink* sink = sink_.load(std::memory_order_acquire);
  if (!grants_.empty() && sink != nullptr) {
    const std::vector<Grant> grants = std::exchange(grants_, {});
    sink->on_grants(grants, options_.clock());
  }
  if (farewell_ && (unsettled_.empty() || !is_up() || is_late)) leave();
}

void RedisSession::heartbeat() {
  refresh_markers();
  if (is_up() && !unsettled_.empty()) tell_unsettled();
}

void RedisSession::say_farewell(std::function<void()> done) {
  farewell_ = std::move(done);
  farewell_at_us_ = options_.clock().mono_us + options_.farewell_us;
}

// The others need not wait for this quotad's share to be free.
void RedisSession::leave() {
  // Done when the last of the calls below is gone, however it ended.
  const auto all_left =
      std::shared_ptr<void>(nullptr, [done = std::exchange(farewell_, nullptr)](void*) { done(); });
  client_->for_each_node([&](redis::Node& node) {
    if (!marker_.is_for(node)) return;
    client_->send(marker_.leave(node, [all_left](const absl::StatusOr<Marker::State>&) {}));
  });
}

size_t RedisSession::write_down() {
  unsettled_.write_down(true);
  return unsettled_.size();
}

}  // namespace quota::store
