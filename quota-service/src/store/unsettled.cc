#include "store/unsettled.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace quota::store {

using engine::MonthKey;

Unsettled::Unsettled(std::string holder, std::unique_ptr<Journal> journal)
    : holder_(std::move(holder)), unseen_(holder_ + "~"), journal_(std::move(journal)) {}

absl::Status Unsettled::load() {
  if (journal_ == nullptr) return absl::OkStatus();
  const auto entries = journal_->load();
  if (!entries.ok()) return entries.status();
  for (const Entry& entry : *entries) {
    State& state = put(entry.holder, entry.month, entry.used, entry.is_final);
    state.is_changed = false;
    state.is_written = true;
  }
  if (!entries->empty()) {
    spdlog::info("{} months were spent while Redis was away; it will be told of them",
                 entries->size());
  }
  return absl::OkStatus();
}

Unsettled::State& Unsettled::put(const std::string& holder, const MonthKey& month, int64_t used,
                                 bool is_final) {
  State& state = entries_[{holder, month.subject, month.period}];
  state.used = used;
  state.is_final = is_final;
  state.is_note = state.is_taken_up = state.is_under_way = false;
  state.is_changed = has_changed_ = true;
  return state;
}

Unsettled::Entry Unsettled::settle(const MonthKey& month, const std::string& holder, int64_t used) {
  // Known by now, and part of the count.
  erase({unseen_, month.subject, month.period});
  const State& state = put(holder, month, used, true);
  return {holder, month, state.used, true};
}

Unsettled::Entry Unsettled::spend(const MonthKey& month, int64_t amount) {
  erase({unseen_, month.subject, month.period});
  Entry entry{fmt::format("{}{}", unseen_, ++spends_), month, amount, true};
  put(entry.holder, month, amount, true);
  return entry;
}

void Unsettled::note(const MonthKey& month, const std::string& holder, int64_t used, bool loaded) {
  if (loaded) erase({unseen_, month.subject, month.period});
  put(loaded ? holder : unseen_, month, used, false).is_note = true;
  must_write_ = true;
}

int64_t Unsettled::take_up(const MonthKey& month, const std::string& holder) {
  if (entries_.empty()) return -1;
  const auto found = entries_.find({holder, month.subject, month.period});
  if (found == entries_.end()) return -1;
  if (found->second.is_note) return -1;
  if (found->second.is_final) {
    found->second.is_final = false;
    found->second.is_changed = has_changed_ = true;
  }
  if (std::exchange(found->second.is_taken_up, true)) return -1;
  return found->second.used;
}

void Unsettled::told(const std::string& holder, const MonthKey& month, int64_t used) {
  if (entries_.empty() || used < 0) return;
  const auto found = entries_.find({holder, month.subject, month.period});
  if (found != entries_.end()) {
    found->second.is_under_way = false;
    if (found->second.is_note || found->second.used <= used) erase(found->first);
  }
  // A record that is known by now reports what it spent before it was.
  if (holder.starts_with(holder_)) erase({unseen_, month.subject, month.period});
}

void Unsettled::telling(const Entry& entry) {
  const auto found = entries_.find({entry.holder, entry.month.subject, entry.month.period});
  if (found != entries_.end()) found->second.is_under_way = true;
}

void Unsettled::tell_all(const std::function<void(const Entry&)>& tell) {
  std::vector<Entry> entries;
  for (auto& [key, state] : entries_) {
    if (state.is_under_way || state.is_note) continue;
    state.is_under_way = true;
    const auto& [holder, subject, period] = key;
    entries.push_back({holder, {subject, period}, state.used, state.is_final});
  }
  for (const Entry& entry : entries) tell(entry);
}

void Unsettled::not_told(const std::string& holder, const MonthKey& month) {
  const auto found = entries_.find({holder, month.subject, month.period});
  if (found != entries_.end()) found->second.is_under_way = false;
  must_write_ = true;
}

void Unsettled::erase(const Key& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  if (found->second.is_written) {
    const auto& [holder, subject, period] = found->first;
    to_erase_.push_back({holder, {subject, period}, found->second.used, false});
  }
  entries_.erase(found);
}

void Unsettled::write_down(bool is_away) {
  if (journal_ == nullptr) return;
  if (!to_erase_.empty()) {
    const absl::Status status = journal_->erase(to_erase_);
    journal_said(status);
    if (status.ok()) to_erase_.clear();
  }
  if (!(is_away || must_write_) || !has_changed_) return;
  std::vector<Entry> entries;
  for (const auto& [key, state] : entries_) {
    const auto& [holder, subject, period] = key;
    if (state.is_changed)
      entries.push_back({holder, {subject, period}, state.used, state.is_final});
  }
  const absl::Status status = journal_->write(entries);
  journal_said(status);
  if (!status.ok()) return;
  for (auto& [key, state] : entries_) {
    if (!state.is_changed) continue;
    state.is_changed = false;
    state.is_written = true;
  }
  has_changed_ = must_write_ = false;
  journalled_ += entries.size();
}

void Unsettled::journal_said(const absl::Status& status) {
  if (status.ok() == journal_works_) return;
  journal_works_ = status.ok();
  if (journal_works_) {
    spdlog::info("the journal can be written again");
  } else {
    spdlog::error(
        "the journal cannot be written, and what is spent without Redis is kept in memory "
        "only: {}",
        std::string(status.message()));
  }
}

}  // namespace quota::store
