#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "store/journal.h"

namespace quota::store {

// The months that Redis is still to be told about, in memory and, while Redis cannot be told, in
// the journal. Every entry is a holder's whole spending of a month, which Redis merges by taking
// the larger number: an entry can be told any number of times. One thread's own.
class Unsettled {
 public:
  using Entry = Journal::Entry;

  // `holder` is this quotad's own; the journal may be null.
  Unsettled(std::string holder, std::unique_ptr<Journal> journal);

  // Takes up what earlier lives could not tell.
  absl::Status load();

  // A record has been forgotten, with exactly so much spent. Returns what to tell.
  Entry settle(const engine::MonthKey& month, const std::string& holder, int64_t used);
  // The same where its count was never seen: told under a name of its own, to be added.
  Entry spend(const engine::MonthKey& month, int64_t amount);
  // A record that goes on may spend so much without telling: kept for a crash, and told by the next
  // life only. With `loaded` false it is on top of a count that was never seen.
  void note(const engine::MonthKey& month, const std::string& holder, int64_t used, bool loaded);
  // A record is here (again): what was settled for it is not final any more. Returns, once, what it
  // is known to have spent, or -1.
  int64_t take_up(const engine::MonthKey& month, const std::string& holder);

  // Redis knows now that the holder has spent `used`.
  void told(const std::string& holder, const engine::MonthKey& month, int64_t used);

  // An entry is being told.
  void telling(const Entry& entry);
  // Calls `tell` for each entry that is not being told already.
  void tell_all(const std::function<void(const Entry&)>& tell);
  // It could not be told: it will be told again.
  void not_told(const std::string& holder, const engine::MonthKey& month);

  // Writes to the journal what has changed, if Redis is away or could not be told of something:
  // what can be told at once need not be written down.
  void write_down(bool is_away);

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  uint64_t journalled() const { return journalled_; }

 private:
  using Key = std::tuple<std::string, std::string, int32_t>;  // holder, subject, period
  struct State {
    int64_t used = 0;
    bool is_final = false;
    bool is_note = false;  // not to be told while its record lives
    bool is_under_way = false;
    bool is_taken_up = false;
    bool is_changed = true;   // since it was written down
    bool is_written = false;  // an older version, at least
  };

  State& put(const std::string& holder, const engine::MonthKey& month, int64_t used, bool is_final);
  void erase(const Key& key);
  void journal_said(const absl::Status& status);

  const std::string holder_;
  const std::string unseen_;  // the holder of what comes on top of a count that was never seen
  const std::unique_ptr<Journal> journal_;
  std::map<Key, State> entries_;
  std::vector<Entry> to_erase_;
  bool has_changed_ = false;
  bool must_write_ = false;
  bool journal_works_ = true;
  uint64_t spends_ = 0;
  uint64_t journalled_ = 0;
};

}  // namespace quota::store
