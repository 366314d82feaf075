#include "store/usage_channel.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace quota::store {
namespace {

// With what a vector and a deque take beside it.
size_t bytes_of(const usage::Key& key) {
  return sizeof(usage::Entry) + key.consumer.size() + key.endpoint.size();
}

}  // namespace

void UsageChannel::add(const usage::Key& key, const usage::Amount& amount, int64_t unix_us) {
  if (const auto found = growing_.find(key); found != growing_.end()) {
    const auto& [number, at] = found->second;
    Batch& batch = batches_[batches_.size() - 1 - (last_number_ - number)];
    batch.entries[at].amount += amount;
    batch.is_changed = true;
    return;
  }
  if (batches_.empty() || batches_.back().is_frozen ||
      batches_.back().entries.size() >= kMostEntries) {
    batches_.push_back({.number = ++last_number_, .entries = {}, .made_unix_us = unix_us});
  }
  Batch& batch = batches_.back();
  growing_[key] = {batch.number, batch.entries.size()};
  batch.entries.push_back({key, amount});
  batch.bytes += bytes_of(key);
  batch.is_changed = true;
}

void UsageChannel::restore(Batch batch) {
  batch.is_frozen = batch.is_written = true;
  batch.is_changed = false;
  last_number_ = batch.number;
  for (const usage::Entry& entry : batch.entries) batch.bytes += bytes_of(entry.key);
  batches_.push_back(std::move(batch));
}

void UsageChannel::freeze(Batch& batch) {
  if (std::exchange(batch.is_frozen, true)) return;
  for (const usage::Entry& entry : batch.entries) growing_.erase(entry.key);
}

std::optional<UsageChannel::Message> UsageChannel::next(int64_t mono_us, int64_t unix_us,
                                                        bool asks) {
  if (is_under_way_) return std::nullopt;
  give_up_old(unix_us);
  if (all_answered()) {
    const bool is_time = asks || mono_us - heard_us_ >= kAskAfterUs;
    if (batches_.empty() || !is_time) return std::nullopt;
    is_under_way_ = true;
    return Message{};
  }
  Batch& batch = batches_[answered_];
  freeze(batch);
  is_under_way_ = true;
  return Message{&batch, accepts_gap_};
}

void UsageChannel::give_up_old(int64_t unix_us) {
  while (!all_answered()) {
    const Batch& batch = batches_[answered_];
    if (!batch.is_frozen || unix_us - batch.made_unix_us < kGivenUpAfterUs) return;
    spdlog::error(
        "usage that Redis could not be told for 28 days is given up: {} entries, which may be "
        "counted already",
        batch.entries.size());
    if (batch.is_written) to_erase_.push_back(batch.number);
    batches_.erase(batches_.begin() + static_cast<std::ptrdiff_t>(answered_));
    accepts_gap_ = true;
  }
}

void UsageChannel::answered(Answer answer, uint64_t last, int64_t mono_us) {
  is_under_way_ = false;
  heard_us_ = mono_us;
  switch (answer) {
    case Answer::kOk:
    case Answer::kDuplicate: {
      accepts_gap_ = false;
      Batch& batch = batches_[answered_++];
      batch.answered_us = mono_us;
      if (batch.is_written) to_erase_.push_back(batch.number);
      batch.is_written = false;
      break;
    }
    case Answer::kGap:
    case Answer::kAt:
      go_back_to(last);
      break;
  }
  forget_answered(mono_us);
}

// Redis has nothing after `last`.
void UsageChannel::go_back_to(uint64_t last) {
  const size_t before = answered_;
  while (answered_ > 0 && batches_[answered_ - 1].number > last) {
    Batch& batch = batches_[--answered_];
    batch.is_changed = true;
  }
  if (answered_ < before) {
    spdlog::warn("Redis has forgotten usage that it had; it is told again ({} batches)",
                 before - answered_);
  }
  if (all_answered()) return;
  accepts_gap_ = batches_[answered_].number > last + 1;
  if (accepts_gap_) {
    spdlog::warn("Redis has forgotten usage that it was told over a minute ago; that is lost");
  }
}

void UsageChannel::forget_answered(int64_t mono_us) {
  size_t bytes = 0;
  for (size_t i = 0; i < answered_; ++i) bytes += batches_[i].bytes;
  while (answered_ > 0 && (bytes > kMostKeptBytes || mono_us - batches_[0].answered_us > kKeptUs)) {
    bytes -= batches_[0].bytes;
    batches_.pop_front();
    --answered_;
  }
}

size_t UsageChannel::pending() const {
  size_t entries = 0;
  for (size_t i = answered_; i < batches_.size(); ++i) entries += batches_[i].entries.size();
  return entries;
}

std::vector<UsageChannel::Batch*> UsageChannel::to_write() {
  std::vector<Batch*> found;
  for (size_t i = answered_; i < batches_.size(); ++i) {
    if (batches_[i].is_changed) found.push_back(&batches_[i]);
  }
  return found;
}

}  // namespace quota::store
