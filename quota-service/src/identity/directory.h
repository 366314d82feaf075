#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include "base/sha256.h"
#include "policy/policy.h"

namespace quota::identity {

using ConsumerPtr = std::shared_ptr<const policy::Consumer>;

// Told that a look-up has ended, on the thread where it did, with no lock held.
class Awaiter {
 public:
  virtual ~Awaiter() = default;
  virtual void answered(uint64_t lookup) = 0;
};

// What a directory knows about an id or an API key.
struct Answer {
  static constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

  enum class State {
    kKnown,
    kAbsent,       // no managed consumer has it
    kPending,      // it is being looked up; asking again once that has ended gives the answer
    kUnavailable,  // it cannot be looked up at the moment
  };

  State state = State::kAbsent;
  ConsumerPtr consumer = nullptr;  // of kKnown
  uint64_t lookup = 0;             // of kPending
  // For how long kKnown and kAbsent may be believed, unless generation() changes before.
  int64_t lasts_us = kForever;
};

// The consumers that are managed while quotad runs, as far as they are in memory. Resolvers cache
// what they find here and drop their caches when generation() changes.
class Directory {
 public:
  virtual ~Directory() = default;

  // On the decision path: neither blocks. When the answer is kPending, `awaiter` will be told the
  // end of the look-up, if there is an awaiter.
  virtual Answer look_up(std::string_view id, int64_t mono_us,
                         const std::shared_ptr<Awaiter>& awaiter) = 0;
  virtual Answer look_up_by_key(const Sha256& key, int64_t mono_us,
                                const std::shared_ptr<Awaiter>& awaiter) = 0;

  // The store has taken a change.
  virtual void changed(const policy::Consumer& consumer) = 0;
  virtual void removed(std::string_view id) = 0;

  // Grows when something that has been answered before is no longer so.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 protected:
  // To be called under the lock that guards the records: whoever sees the new number also finds
  // the new record.
  void begin_generation() { generation_.fetch_add(1, std::memory_order_release); }

 private:
  std::atomic<uint64_t> generation_{0};
};

}  // namespace quota::identity
