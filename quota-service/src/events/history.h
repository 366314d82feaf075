#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace quota::events {

// The newest events, numbered from 1 on. Any thread may read.
class History {
 public:
  explicit History(size_t most = 4096);

  // `line`: the event as JSON; `consumer`: as it is called there.
  void add(std::string line, std::string consumer, bool is_denial);

  struct Query {
    uint64_t after = 0;         // only events with a larger number
    bool newest = false;        // the last ones, instead of the first ones after that
    size_t limit = 500;         // so many of them
    bool denials_only = false;  // no decisions that let through, and no months
    bool one_consumer = false;  // only those of one who is called one of `names`
    std::vector<std::string> names = {};
  };
  struct Page {
    std::vector<std::string> lines;
    uint64_t next = 0;    // where to go on: the `after` of the next query
    uint64_t missed = 0;  // events after the number asked for that are not kept any more
  };
  Page read(const Query& query) const;

  // Random, of this start: numbers of another one say nothing here.
  const std::string& instance() const { return instance_; }

 private:
  struct Entry {
    std::string line;
    std::string consumer;
    bool is_denial;
  };
  static bool matches(const Entry& entry, const Query& query);

  const size_t most_;
  const std::string instance_;
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
  uint64_t last_ = 0;  // number of the newest
};

}  // namespace quota::events
