#include "engine/engine.h"

#include <algorithm>
#include <bit>

#include "engine/shard.h"

namespace quota::engine {
namespace {

constexpr int64_t kMaxShards = 64;
// Small tables are not split: an uneven split would turn subjects away too early.
constexpr int64_t kSubjectsPerShard = 1024;

size_t shard_count(const EngineOptions& options) {
  const int64_t smaller = std::min(options.max_subjects, options.max_anonymous);
  return std::bit_floor(
      static_cast<size_t>(std::clamp<int64_t>(smaller / kSubjectsPerShard, 1, kMaxShards)));
}

size_t per_shard(int64_t total, size_t shards) {
  return std::max<size_t>(1, (static_cast<size_t>(total) + shards - 1) / shards);
}

}  // namespace

Engine::Engine(EngineOptions options, Store& store) : options_(options), store_(store) {
  const size_t count = shard_count(options_);
  for (size_t i = 0; i < count; ++i) {
    shards_.push_back(std::make_unique<Shard>(options_, per_shard(options_.max_subjects, count),
                                              per_shard(options_.max_anonymous, count), store_));
  }
}

Engine::~Engine() = default;

// By the topmost bits of the hash; the tables inside use the lower ones.
Engine::Shard& Engine::shard_of(size_t hash) const {
  return *shards_[(hash >> 58) & (shards_.size() - 1)];
}

size_t Engine::hash_of(std::string_view subject) { return SubjectTable::hash_of(subject); }

void Engine::prefetch_index(const Charge& charge) const {
  shard_of(charge.hash).prefetch_index(charge.hash, charge.anonymous);
}

void Engine::prefetch_record(const Charge& charge) const {
  shard_of(charge.hash).prefetch_record(charge.hash, charge.anonymous);
}

bool Engine::decide(const Charge& charge, Now now, Decision& decision, MakeWaiter make_waiter) {
  if (charge.mode == policy::Mode::kOff || charge.limits.unlimited()) {
    decision = Decision{};
    decision.reason = charge.mode == policy::Mode::kOff ? Reason::kOff : Reason::kUnlimited;
    return true;
  }
  const size_t hash = charge.hash != 0 ? charge.hash : hash_of(charge.subject);
  Shard& shard = shard_of(hash);
  int64_t waiting_before;
  {
    const std::lock_guard lock(shard.mutex);
    if (shard.decide(charge, hash, now, decision, make_waiter)) return true;
    waiting_before = waiting_.fetch_add(1, std::memory_order_relaxed);
  }
  if (waiting_before == 0) wake_();
  return false;
}

void Engine::tell(std::vector<Settled>& settled) {
  waiting_.fetch_sub(static_cast<int64_t>(settled.size()), std::memory_order_relaxed);
  for (Settled& one : settled) one.waiter->decided(one.decision);
  settled.clear();
}

void Engine::on_grants(const std::vector<Grant>& grants, Now now) {
  std::vector<Settled> settled;
  for (const Grant& grant : grants) {
    const size_t hash = hash_of(grant.month.subject);
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    shard.on_grant(grant, hash, now, settled);
  }
  tell(settled);
}

void Engine::on_store_reset() { resets_.fetch_add(1, std::memory_order_relaxed); }

int64_t Engine::tend(Now now) {
  constexpr int64_t kQuietUs = 1'000'000;
  constexpr int64_t kLeasesUs = 50'000;
  std::vector<Settled> settled;
  if (waiting_.load(std::memory_order_relaxed) > 0) {
    for (const auto& shard : shards_) {
      const std::lock_guard lock(shard->mutex);
      shard->expire_waiters(now, settled);
    }
    tell(settled);
  }
  // Idle subjects are looked for in every shard once a second, a stretch at a time.
  if (now.mono_us - tended_us_ >= kQuietUs) {
    tended_us_ = now.mono_us;
    for (const auto& shard : shards_) {
      const std::lock_guard lock(shard->mutex);
      shard->forget_idle(now);
    }
  }
  const bool is_shared = store_.is_shared();
  if (is_shared) {
    const uint32_t resets = resets_.load(std::memory_order_relaxed);
    for (const auto& shard : shards_) {
      const std::lock_guard lock(shard->mutex);
      shard->tend_leases(now);
      if (resets > 0) shard->register_again(resets, now);
    }
  }
  const bool someone_waits = waiting_.load(std::memory_order_relaxed) > 0;
  if (someone_waits) return std::max<int64_t>(options_.store_timeout_us / 4, 500);
  return is_shared ? kLeasesUs : kQuietUs;
}

void Engine::reset(std::string_view subject, bool anonymous, int billing_day, Now now) {
  const size_t hash = hash_of(subject);
  Shard& shard = shard_of(hash);
  std::vector<Settled> settled;
  {
    const std::lock_guard lock(shard.mutex);
    shard.reset(subject, hash, anonymous, billing_day, now, settled);
  }
  tell(settled);
}

std::vector<SavedBucket> Engine::close(Now now) {
  std::vector<SavedBucket> saved;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    shard->close(now, saved);
  }
  return saved;
}

void Engine::restore(const std::vector<SavedBucket>& buckets, Now now) {
  for (const SavedBucket& bucket : buckets) {
    const size_t hash = hash_of(bucket.subject);
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    shard.restore(bucket, hash, now);
  }
}

EngineStats Engine::stats() const {
  EngineStats stats;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    shard->add_to(stats);
  }
  stats.waiting = static_cast<uint64_t>(waiting_.load(std::memory_order_relaxed));
  return stats;
}

std::optional<LeaseView> Engine::lease_of(std::string_view subject, Now now) const {
  const size_t hash = hash_of(subject);
  Shard& shard = shard_of(hash);
  const std::lock_guard lock(shard.mutex);
  return shard.lease_of(subject, hash, now);
}

}  // namespace quota::engine
