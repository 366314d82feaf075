#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "usage/month.h"
#include "usage/usage.h"

namespace quota::usage {

struct Entry {
  Key key;
  Amount amount;

  friend bool operator==(const Entry&, const Entry&) = default;
};

// Of one month; what of it is wanted.
struct Query {
  Month month;
  std::optional<std::string> consumer = {};  // only this one's
  bool by_day = false;                       // else one entry for the month, under its first day
  std::optional<std::string> after = {};     // only consumers that come after this one
  size_t limit = 1000;  // a page ends with the consumer that brings it to so many entries
};

struct Page {
  std::vector<Entry> entries;       // by consumer, endpoint, day
  std::optional<std::string> next;  // there is more after this consumer
};

// Where usage is kept, for kMonthsKept months.
class UsageStore {
 public:
  virtual ~UsageStore() = default;

  // Takes the sums over: each is added exactly once, now, or when that is possible again. Called
  // by one thread, each second and also with nothing, because what is left over is tried again
  // then. Blocks for less than a second; the last time longer, to bring in what can be.
  virtual void add(Sums sums, int64_t unix_us, bool is_last) = 0;
  // What is in the store. On any thread; blocks.
  virtual absl::StatusOr<Page> read(const Query& query) = 0;
  // After the last add(), by the same thread. An error when something is lost.
  virtual absl::Status close() = 0;

  struct Stats {
    uint64_t written = 0;  // attempts to write that went well
    uint64_t failed = 0;   // and those that did not, and are repeated
    uint64_t pending = 0;  // entries that are not in the store yet
  };
  virtual Stats stats() const = 0;
};

}  // namespace quota::usage
