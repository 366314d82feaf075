#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "identity/check.h"

namespace quota::rpc {

class LateVerdicts;

// A check with memory of its own.
class OwnedCheck {
 public:
  explicit OwnedCheck(const identity::Check& check);
  const identity::Check& get() const { return check_; }

 private:
  std::unique_ptr<char[]> text_;  // what the views of check_ show
  identity::Check check_;
};

// A check that waits until it is known who asks.
struct ParkedCheck {
  OwnedCheck check;
  std::shared_ptr<LateVerdicts> late;
  uint64_t since_ns = 0;
  int64_t deadline_us = 0;
  int rounds = 1;  // look-ups it has waited for
};

// The parked checks of one queue, in the order of their deadlines.
class ParkedChecks {
 public:
  // Its deadline is not before that of any other.
  void add(uint64_t lookup, ParkedCheck parked);
  // Those that wait for this look-up.
  std::vector<ParkedCheck> take(uint64_t lookup);
  // Those whose deadline has come.
  std::vector<ParkedCheck> take_expired(int64_t mono_us);

  size_t size() const { return checks_.size(); }
  // There must be one.
  int64_t next_deadline_us() const { return checks_.front().parked.deadline_us; }

 private:
  struct Entry {
    uint64_t lookup;
    ParkedCheck parked;
  };
  std::list<Entry> checks_;
  absl::flat_hash_map<uint64_t, std::deque<std::list<Entry>::iterator>> by_lookup_;
};

}  // namespace quota::rpc
