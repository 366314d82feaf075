#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "usage/usage_store.h"

namespace quota::store {

// The usage that one holder tells one shard of Redis, in numbered batches, one after the other; see
// usage.lua. A holder is one life of a quotad. One thread's own; it does no I/O.
//
// An entry stays in the batch that it was put into, so no fault of Redis, the network or the
// journal counts it twice. A batch grows until it is sent for the first time. One that was answered
// is kept for a while, and told again when Redis turns out to have forgotten it.
class UsageChannel {
 public:
  static constexpr size_t kMostEntries = 500;  // of a batch: about a millisecond of Redis' time
  static constexpr size_t kMostKeptBytes = size_t{4} << 20;  // of batches that were answered
  static constexpr int64_t kKeptUs = 60'000'000;
  static constexpr int64_t kAskAfterUs = 5'000'000;
  // Redis knows a silent holder for 35 days. What was sent before then must not be sent after.
  static constexpr int64_t kGivenUpAfterUs = int64_t{28} * 86'400 * 1'000'000;

  struct Batch {
    uint64_t number = 0;
    std::vector<usage::Entry> entries;
    int64_t made_unix_us = 0;
    bool is_frozen = false;  // has been sent, perhaps
    int64_t answered_us = 0;
    size_t bytes = 0;
    bool is_changed = true;   // since it was written into the journal
    bool is_written = false;  // there, in some version
  };

  UsageChannel(std::string holder, int shard) : holder_(std::move(holder)), shard_(shard) {}

  const std::string& holder() const { return holder_; }
  int shard() const { return shard_; }

  void add(const usage::Key& key, const usage::Amount& amount, int64_t unix_us);
  // A batch of the journal, in the order of their numbers.
  void restore(Batch batch);

  // What to send now. No batch: only to ask which one Redis had last.
  struct Message {
    const Batch* batch = nullptr;
    bool accepts_gap = false;
  };
  // There is something to send and nothing under way. What it returns is under way then. `asks`:
  // what Redis had last is asked for now, if anything that it may have forgotten could be told.
  std::optional<Message> next(int64_t mono_us, int64_t unix_us, bool asks = false);
  enum class Answer { kOk, kDuplicate, kGap, kAt };
  void answered(Answer answer, uint64_t last, int64_t mono_us);
  void not_answered() { is_under_way_ = false; }

  bool is_under_way() const { return is_under_way_; }
  bool all_answered() const { return answered_ == batches_.size(); }
  // Nothing is left to be told, now or again.
  bool is_empty() const { return batches_.empty(); }
  // Entries that were not answered.
  size_t pending() const;

  // For the journal: the batches it should hold and does not, the numbers it holds and need not.
  std::vector<Batch*> to_write();
  std::vector<uint64_t> to_erase() const { return to_erase_; }
  void erased() { to_erase_.clear(); }

 private:
  void freeze(Batch& batch);
  void give_up_old(int64_t unix_us);
  void go_back_to(uint64_t last);
  void forget_answered(int64_t mono_us);

  const std::string holder_;
  const int shard_;
  std::deque<Batch> batches_;  // by number; the first answered_ of them were answered
  size_t answered_ = 0;
  uint64_t last_number_ = 0;
  // Where the entries of batches that still grow are: number of the batch, place in it. These are
  // the last batches, and their numbers have no gaps.
  absl::flat_hash_map<usage::Key, std::pair<uint64_t, size_t>, usage::KeyHash> growing_;
  bool is_under_way_ = false;
  bool accepts_gap_ = false;
  int64_t heard_us_ = 0;
  std::vector<uint64_t> to_erase_;
};

}  // namespace quota::store
