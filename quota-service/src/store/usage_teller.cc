#include "store/usage_teller.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "store/holder_name.h"
#include "store/scripts.h"
#include "store/usage_keys.h"

namespace quota::store {
namespace {

using Clock = std::chrono::steady_clock;

// How long an answer is waited for, and how much longer a round may take while answers do come.
constexpr std::chrono::milliseconds kPatience{300};
constexpr std::chrono::milliseconds kLastPatience{1000};
constexpr int kRounds = 3;

}  // namespace

UsageTeller::UsageTeller(Send send, std::unique_ptr<UsageJournal> journal,
                         std::function<Now()> clock)
    : holder_(random_holder_name()),
      journal_(std::move(journal)),
      clock_(std::move(clock)),
      script_{kUsageLua, std::string(kUsageLuaSha1)},
      send_(std::move(send)) {}

UsageChannel& UsageTeller::channel(const std::string& holder, int shard) {
  ChannelPtr& channel = channels_[{holder, shard}];
  if (channel == nullptr) channel = std::make_unique<UsageChannel>(holder, shard);
  return *channel;
}

absl::Status UsageTeller::load() {
  if (journal_ == nullptr) return absl::OkStatus();
  auto found = journal_->load();
  if (!found.ok()) return found.status();
  for (auto& [place, batch] : *found) {
    if (place.shard < 0 || place.shard >= kUsageShards) continue;  // somebody has edited the file
    channel(place.holder, place.shard).restore(std::move(batch));
  }
  publish();
  if (!found->empty()) {
    spdlog::info("{} entries of usage could not be told to Redis before; it will be told of them",
                 pending_.load());
  }
  return absl::OkStatus();
}

void UsageTeller::add(const usage::Sums& sums, int64_t unix_us, bool is_last) {
  for (const auto& [key, amount] : sums) {
    channel(holder_, usage_shard(key.consumer)).add(key, amount, unix_us);
  }
  tell(unix_us, is_last);
  write_down();
  publish();
}

// Sends, for each channel, one batch after the other. A channel that has failed rests until the
// next round.
void UsageTeller::tell(int64_t unix_us, bool is_last) {
  for (const Heard& heard : wait_until(Clock::now())) take_in(heard);
  for (const auto& [name, channel] : channels_) send_next(*channel, unix_us, is_last);
  const auto patience = is_last ? kLastPatience : kPatience;
  const auto end = Clock::now() + kRounds * patience;
  // The end also stops a Redis whose answers lead nowhere.
  while (under_way_ > 0 && Clock::now() < end) {
    const std::vector<Heard> some = wait_until(std::min(Clock::now() + patience, end));
    if (some.empty()) break;
    for (const Heard& heard : some) {
      if (take_in(heard)) send_next(*heard.channel, unix_us);
    }
  }
}

void UsageTeller::send_next(UsageChannel& channel, int64_t unix_us, bool asks) {
  const auto message = channel.next(clock_().mono_us, unix_us, asks);
  if (!message) return;
  RedisCalls::Call call{.key = usage_last_key(channel.shard()),
                        .words = usage_script_words(channel, *message),
                        .script = &script_};
  call.told = [this, at = &channel](absl::StatusOr<const redisReply*> reply) {
    const std::lock_guard lock(mutex_);
    heard_.push_back({at, reply.ok() ? read_usage_answer(**reply) : reply.status()});
    arrived_.notify_one();
  };
  if (!send_(std::move(call))) {
    channel.not_answered();
    return;
  }
  ++under_way_;
}

// Nothing, when nothing has come by then.
std::vector<UsageTeller::Heard> UsageTeller::wait_until(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  arrived_.wait_until(lock, deadline, [this] { return !heard_.empty(); });
  return std::exchange(heard_, {});
}

// False when it was no answer.
bool UsageTeller::take_in(const Heard& heard) {
  --under_way_;
  if (heard.answer.ok()) {
    using Answer = UsageChannel::Answer;
    const Answer answer = heard.answer->answer;
    const bool is_there = answer == Answer::kOk || answer == Answer::kDuplicate;
    if (is_there) written_.fetch_add(1, std::memory_order_relaxed);
    is_refused_ = false;
    heard.channel->answered(answer, heard.answer->last, clock_().mono_us);
    return true;
  }
  failed_.fetch_add(1, std::memory_order_relaxed);
  heard.channel->not_answered();
  // That it cannot be reached is said by the store of leases.
  if (absl::IsInternal(heard.answer.status()) && !std::exchange(is_refused_, true)) {
    spdlog::warn("usage is kept until Redis takes it: {}",
                 std::string(heard.answer.status().message()));
  }
  return false;
}

void UsageTeller::write_down() {
  std::vector<UsageJournal::Place> erased;
  std::vector<UsageJournal::Written> written;
  std::vector<UsageChannel::Batch*> batches;
  for (const auto& [name, channel] : channels_) {
    for (const uint64_t number : channel->to_erase()) {
      erased.push_back({channel->holder(), channel->shard(), number});
    }
    for (UsageChannel::Batch* batch : channel->to_write()) {
      batches.push_back(batch);
      written.push_back({{channel->holder(), channel->shard(), batch->number}, batch});
    }
  }
  if (journal_ != nullptr && (!erased.empty() || !written.empty())) {
    const absl::Status status = journal_->save(erased, written);
    journal_said(status);
    if (!status.ok()) return;
  }
  for (UsageChannel::Batch* batch : batches) {
    batch->is_changed = false;
    batch->is_written = true;
  }
  for (auto each = channels_.begin(); each != channels_.end();) {
    UsageChannel& channel = *each->second;
    channel.erased();
    const bool is_done =
        channel.is_empty() && !channel.is_under_way() && channel.holder() != holder_;
    each = is_done ? channels_.erase(each) : std::next(each);
  }
}

void UsageTeller::journal_said(const absl::Status& status) {
  if (status.ok() == journal_works_) return;
  journal_works_ = status.ok();
  if (journal_works_) {
    spdlog::info("the journal of usage can be written again");
  } else {
    spdlog::error(
        "the journal of usage cannot be written, and what Redis is not told is kept in "
        "memory only: {}",
        std::string(status.message()));
  }
}

void UsageTeller::publish() {
  uint64_t pending = 0;
  for (const auto& [name, channel] : channels_) pending += channel->pending();
  pending_.store(pending, std::memory_order_relaxed);
}

absl::Status UsageTeller::close() {
  const uint64_t left = pending_;
  if (left == 0) return absl::OkStatus();
  if (journal_ == nullptr || !journal_works_) {
    return absl::UnavailableError(
        fmt::format("Redis could not be told {} entries of usage, and {}", left,
                    journal_ == nullptr ? "there is no journal: set store_journal to keep them"
                                        : "the journal could not be written: they are lost"));
  }
  spdlog::warn(
      "Redis could not be told {} entries of usage; the journal keeps them for the next "
      "start",
      left);
  return absl::OkStatus();
}

usage::UsageStore::Stats UsageTeller::stats() const {
  return {.written = written_, .failed = failed_, .pending = pending_};
}

}  // namespace quota::store
